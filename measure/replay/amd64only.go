//go:build !linux || !amd64

package replay

// The build ends here on other hosts: the engine replay runs x86-64 code in this
// process, and machines are started as Linux starts processes.
var _ int = "entrylab needs a host with Linux on x86-64"
