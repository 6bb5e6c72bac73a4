// Package vmtests boots generated kernels and checks what they do: every
// variant on every engine, whole Go and C programs, other machines, bad input,
// and that each of the guest's checks catches its fault.
//
// All machines are started through package boot, the way the command starts them.
// Tests run in parallel up to the number of CPUs.
package vmtests
