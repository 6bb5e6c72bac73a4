// Package entrylab is the guide to the packages of the module; the command is in
// cmd/entrylab. Each package below has a page of its own: go doc ./stubs.
//
// # From a variant to an answer
//
// A variant is a SYSCALL entry and exit path. Take one by its name:
//
//	v, err := stubs.ParseVariant("linux-4.1+exit=iret")
//
// It may be proved from its machine code, for all inputs, before anything is booted:
//
//	proof, err := prove.Prove(v)
//
// An image holds a kernel with one or more variants, and the program that it runs as
// init. RunGuest boots one whose init is the guest that checks and measures:
//
//	run, err := boot.RunGuest(ctx, boot.Config{Variants: list, Args: []string{"verify", "measure"}}, nil)
//
// An engine is a way of running paths: an emulator that counts instructions, this CPU in
// ring 3 or under KVM, or the machine code itself, followed and not run. It hands out
// records, each a figure with everything that it was measured with:
//
//	icount, ok := engine.Find("icount")
//	out, err := engine.Runner{Job: engine.Job{Subjects: list}, Note: log.Println}.Run(ctx, icount)
//
// A set of records gives differences, with their intervals and whether they can be
// trusted; a study asks its question of them:
//
//	answer := study.Answer(study.NewPage(study.Mail(), out.Records, nil).Verdicts())
//
// # The packages, in the order of the flow
//
// What listings are made of:
//
//   - gen/asm: the assembler. An instruction is a Go value, a listing a list of them.
//   - gen/layout: the structures that kernel, guest and host share.
//   - gen/x86: bits, registers and numbers of the architecture.
//   - gen/wire: the lines that the guest prints.
//   - gen/kernel: the body of the kernel.
//
// Variants:
//
//   - stubs: axes and presets, and the pieces of a path.
//   - stubs/gnuas: a variant from a file for the GNU assembler.
//   - stubs/prove: the proof. stubs/explain sets what it knows beside a listing.
//   - stubs/count: what is in the code, without running it.
//
// Machines:
//
//   - boot: variants in, a machine that ran out. boot/image builds the kernel, boot/vm
//     starts QEMU, KVM or Bochs.
//
// Figures:
//
//   - measure/engine: the ways of running paths; measure/record: a figure.
//   - measure/store: a file of records.
//   - measure/analysis: differences, intervals, refusals, by measure/stats.
//   - measure/study, measure/report, measure/table: questions, and what is printed.
//   - measure/nightly, measure/history, measure/judge, measure/dashboard: the same every
//     night.
//
// The program examples/fenced is a variant of one's own in forty lines.
package entrylab
