// Package proto emits the code that takes the machine over from a boot
// loader: one entry point per boot protocol, which turns what the loader gives
// into layout.BootInfo, and the common way from 32-bit protected mode into
// long mode. Its code ends by jumping to the kernel's startup_64.
//
// A protocol is a function that returns a Program with two parts. The 32-bit entry
// stores its argument in boot_handoff and the physical address of its parser in
// boot_parser, and jumps to startup_32. The kernel calls the 64-bit parser with the
// argument in RDI. An entry for loaders that start the kernel in long mode jumps to
// leave_long_mode, which also moves the kernel to its place.
package proto
