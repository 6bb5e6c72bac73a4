// Package replay measures entry and exit paths on this CPU without booting a machine:
// it runs a variant's own machine code, as the build made it, in ring 3.
//
// # What runs
//
// The bytes of a variant's functions are taken from the built kernel
// ([image.Build]). Instructions that ring 3 may not execute are replaced in place, so
// that every other instruction stays where the build put it:
//
//   - SYSRETQ by a jump to the address in RCX, where SYSRETQ would go,
//   - SWAPGS, STI and CLI by a NOP of the same length: they are left out.
//
// IRETQ runs as it is. SYSCALL is replaced by code before the stub that loads RCX and R11
// as SYSCALL does, and jumps. Addresses outside the variant's functions are linked again:
// those of the handlers, which this package provides, and of the call table.
// RSP, the frame, the per-CPU area and the thread are as in the kernel; the GS base is
// the per-CPU area.
//
// A path that a machine has run (package trace), such as that of a real kernel, is replayed
// by its assembly alone (cut.go): the instructions that were run, as they were in memory,
// around what stands for the C part. Of these instructions MOV to and from CR3, RDMSR
// and WRMSR are left out too, and paths are only compared if they have the same of them.
//
// # Forms
//
// What a stub costs depends on how far the CPU lets the surrounding instructions overlap
// with SYSCALL and SYSRET, which is not known for every CPU. A form is an assumption
// about it: what stands beside the two jumps, and what the handler does.
//
//   - SR1: LFENCE at SYSCALL and at SYSRET, a handler with a chain of 60 cycles.
//     The SDM describes the ordering of SYSCALL and SYSRET (volume 2) in the
//     words that it uses for LFENCE, and real handlers do work: the figure of this
//     form is printed.
//   - SR0: the same with a handler that does nothing.
//   - N0: no fence. The bound for a CPU whose SYSCALL would overlap.
//   - D0: MFENCE instead. The bound for one that drains its stores.
//
// # Design of a run
//
// One unlucky address makes a reproducible difference of a cycle or two between
// equal stubs, so the code of every variant, the handlers, the loop around
// them, the per-CPU area and both stacks get new random addresses hundreds of
// times in a run: a placement. In each, samples of all variants alternate in
// random order. A placement's figure is the trimmed mean of its samples; placements
// in which a probe felt a neighbour on the same core are dropped as a whole;
// the difference and its interval come from the placements (package stats).
//
// Placements are made in several processes, one after the other, because each process
// has its own pages and, on a shared machine, its own time of day. Where processes
// differ by more than the spread of their placements explains, the interval is that of
// the processes. On a Zen 3 whose 2 CPUs had a load of 24, one of six runs was refused,
// 98 % of 180 pairs of differences agreed within their intervals, and 98 % of 50
// intervals of controls held the truth. The worst was 8 of 10 pairs, for the switch with
// usersp's own line cold: the cost of a miss drifts for longer than a run lasts (make
// reproduce).
//
// A hypervisor may move a virtual CPU from one physical CPU to another. A sample during
// which that happens is dropped, and so is a placement that lost too many samples. The
// run goes on and reports how many it dropped; it is refused only if too few placements
// are left. CPUs of different models are refused, as their costs cannot be mixed.
//
// Every run carries its own controls: a second copy of the base must show no difference
// (A/A), and two copies whose handlers differ by one cycle must show a difference of
// one. Both call only that handler, so that nothing but the cycle differs. A run that
// fails either is refused.
//
// Sampling is done by child processes, further runs of the same program: a fault
// in the replayed code ends the child alone and is reported with variant and
// offset. So is code that does not return; its bound is a number of instructions (see
// fault.go), not a time. A child ends with its parent, however that ends.
//
// # What a figure is made of
//
// Behind a fence a call takes whole cycles, and the number of its instructions matters
// little. On a Zen 3, in form SR1, one additional instruction reads as +1.0, two or
// three as +0.2, six as +1.2 (stores) to +2.9; in N0, without a fence, each store reads
// as 0.36 and each other instruction as 0.13. On a Zen 5, each of six changes of a path
// read as +1.0 ±0.0. There a difference says on which side of a step two paths are, but
// neither what their instructions cost nor what another form would read. So every run
// also measures ladders: what 1, 2, 3 and 6 additional instructions or stores read as in
// each form, right behind the fence, where nothing waits for them. A difference that
// reads the same as several rungs of one ladder is printed as a step, with those rungs
// and the figures of the other forms; any other is printed as it is. The control with
// one cycle more is an instruction that the result does wait for, and so is no step.
//
// Not seen so far: any Intel CPU, and the ladders of a Zen 5.
package replay
