// Package bisect finds the commit at which a night's series changed its value: an
// exact count, the outcome of a check, or the outcome of a whole cell. It builds and
// measures one revision after the other, and halves the history between them as git does.
//
// The user's repository is only read. Revisions are checked out in a copy that shares
// its objects, in a temporary folder.
package bisect
