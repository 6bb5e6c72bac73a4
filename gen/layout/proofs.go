package layout

// ProofsFile is the path, from the root, of the file in an image's initramfs that
// tells of the variants which it carries whatever the proof says of them. Each
// line is a variant's name, ": " and what the proof says. No such file: none.
const ProofsFile = "proofs"
