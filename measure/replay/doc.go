// Package replay measures entry and exit paths on this CPU without a machine to
// boot: it runs a variant's own machine code, as the build made it, in ring 3.
//
// # What runs
//
// The bytes of a variant's functions are taken from the built kernel
// ([image.Build]). What ring 3 may not execute is replaced in its place, so that
// every other instruction stands where the build put it:
//
//   - SYSRETQ by a jump to the address in RCX, where SYSRETQ would go,
//   - SWAPGS, STI and CLI by a NOP of the same length: they are left out.
//
// IRETQ runs as it is. SYSCALL is replaced by what comes in front of the stub:
// RCX and R11 are loaded as SYSCALL loads them, then a jump. Addresses outside
// the variant's functions are linked anew: those of the handlers, which are
// this package's, and of the call table. RSP, the frame, the per-CPU area and
// the thread are as in the kernel; GS base points to the per-CPU area.
//
// # Forms
//
// How far a CPU lets the instructions around SYSCALL and SYSRET overlap with
// them decides what a stub costs, and it is not known of every CPU. A form is a
// guess about it: what stands beside the two jumps, and what the handler does.
//
//   - SR1: LFENCE at SYSCALL and at SYSRET, a handler with a chain of 60 cycles.
//     The SDM describes the ordering of SYSCALL and SYSRET (volume 2) in the
//     words of LFENCE, and real calls do work: this is the figure.
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
// Placements are made in several processes, one after the other, because each has
// its own pages, and its own time of day on a machine that is shared. Where
// processes differ by more than their placements tell, the interval is that of the
// processes. Seen on a Zen 3 whose 2 CPUs had a load of 24: of six runs one was
// refused, 98 % of 180 pairs of differences agreed within their intervals, and 98 %
// of 50 intervals of controls held the truth. The least was 8 of 10 pairs, for the
// switch with usersp's own line cold: what a miss costs drifts for longer than a
// run lasts (make reproduce).
//
// A hypervisor may move a virtual CPU from one physical one to another. A sample
// during which that happened is dropped, and so is a placement that lost too many;
// the run goes on, says how many, and is refused only if too few placements are
// left. CPUs of two models are refused: their costs do not mix.
//
// Every run carries its own proof: a second copy of the base must show no
// difference (A/A), and two copies whose handlers differ by one cycle a
// difference of one: both call that handler alone, so that nothing but the cycle
// differs. A run that fails either is refused.
//
// Sampling is done by child processes, further runs of the same program: a fault
// in the replayed code ends the child alone and is reported with variant and
// offset. So is code that does not return: what bounds it is a number of
// instructions (see fault.go), not a clock. A child goes when its parent does,
// however that ends.
//
// # What a figure is made of
//
// Behind a fence a call takes whole cycles, and how many instructions it has
// decides little: on a Zen 3 one more reads +1.0 in form SR1, two or three +0.2,
// six +1.2 (stores) to +2.9, and in N0, without a fence, each store 0.36 and each
// other instruction 0.13. On a Zen 5 each of six changes of a path read +1.0 ±0.0.
// There a difference says on which side of a step two paths are, and neither what
// their instructions cost nor what another form of the call would read. So every
// run measures ladders too: what 1, 2, 3 and 6 instructions and stores more read as
// in each form, right behind the fence, where nothing waits for them. A difference
// that several rungs of one ladder read as is printed as a step, with those rungs
// and with what the other forms say. One that no two rungs read as is printed as
// it is. The control with a cycle more is of an instruction that the result does
// wait for, and is no step.
//
// Not seen so far: any Intel CPU, and the ladders of a Zen 5.
package replay
