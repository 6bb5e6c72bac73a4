// Command entrylab generates tiny x86-64 kernels with a choice of SYSCALL
// entry paths, boots them, proves that what the entry must keep is kept, and
// tells what each path costs.
//
// It is thin: flags in, calls to the packages of the flow, tables out.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"github.com/entrylab/entrylab/internal/cache"
)

// command is a subcommand: run gets the words after its name and returns the
// process's exit status.
type command struct {
	name, args, short string
	run               func(ctx context.Context, env *env, args []string) (int, error)
}

// env is what a command works with.
type env struct {
	stdout, stderr io.Writer
	cmd            command // the one that runs
	help           func()  // prints its flags; set once they were asked for or wrong
}

var commands = []command{
	{"variants", "", "the presets, one line each: axes, release, what it adds, its source", runVariants},
	{"list", "VARIANT", "the listing of a variant's entry, exit, fix-up and switch, with the slot and the registers that each instruction defines", runList},
	{"diff", "A B", "two variants side by side", runDiff},
	{"layout", "[-gas]", "offsets of what a stub shares with the kernel; -gas: the include file for a stub in a .S file", runLayout},
	{"prove", "[-all] [-v] [VARIANT...]", "prove from the machine code that entry, exits and switch are right", runProve},
	{"build", "-o FILE [-format elf|disk] [-append ARGS] [-variants A,B] [-init PROG]", "write a kernel image that boots by itself", runBuild},
	{"boot", "[-variant V] [-engine E] [-machine M] [-append ARGS] [-init PROG] [-- ARGS]", "run a static program as /init on a generated kernel, with PROG as its argv[0]: boot -init busybox -- sh", runBoot},
	{"verify", "[-variants A,B|all] [-engine E]", "check registers, frames, threads and signals; -engine host: on the kernel and hypervisor that this runs on, whose differences from the architecture are findings about them", runVerify},
	{"compare", "[-engine E] [-format text|json|bench] [-from FILE] A B [C...]", "measure variants against the first of them, or read what machines measured by themselves", runCompare},
	{"study", "[-o FILE] [-engines A,B]", "answer the question: every change on every engine, one page", runStudy},
	{"report", "RESULTS... -o FILE", "results as one HTML file", runReport},
	{"baseline", "-kernel VMLINUZ [-engine E] [-append WORDS] [-o FILE]", "a Linux kernel with the same init, beside the generated ones", runBaseline},
	{"clean", "", fmt.Sprintf("empty the cache folder. It holds generated files, of which the least recently used go beyond %d MiB, and what make linux fetched", cache.Bound>>20), runClean},
}

// Exit statuses. What they mean is said by usage.
const (
	exitFail    = 1   // a check failed
	exitError   = 2   // the command could not do its job
	exitTimeOut = 124 // boot: the machine came to no end
	exitNothing = 125 // boot: exitError, or there is no verdict
	exitSignal  = 128 // boot: plus the signal that killed init
)

// memoryGoal is what the collector keeps the heap below as long as the input
// allows.
const memoryGoal = 300 << 20

// lastMoment is the time that a command has to end after a signal. It is a variable
// for the tests.
var lastMoment = 3 * time.Second

func main() {
	debug.SetMemoryLimit(memoryGoal)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, secondKills)
	e := &env{stdout: os.Stdout, stderr: os.Stderr}
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, e, os.Args[1:]) }()
	select {
	case status := <-ended:
		os.Exit(status)
	case <-ctx.Done():
	}
	select {
	case status := <-ended:
		os.Exit(status)
	case <-time.After(lastMoment): // what it waits for knows no context
		os.Exit(e.failed(ctx, 0, ctx.Err()))
	}
}

// secondKills makes the next SIGINT or SIGTERM kill the process. It tells the kernel
// so: after signal.Reset Go's handler stays, and raises the signal again with it
// unblocked, so that a flood of signals nests there until the signal stack is full,
// and the process dies of SIGSEGV (runtime.dieFromSignal of Go 1.26).
func secondKills() {
	var byDefault struct{ handler, flags, restorer, mask uint64 } // SIG_DFL is 0
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		_, _, _ = syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(&byDefault)), 0, unsafe.Sizeof(byDefault.mask), 0, 0) // no argument is wrong
	}
}

func run(ctx context.Context, e *env, args []string) int {
	out := &output{ctx: ctx, w: e.stdout}
	e.stdout, e.stderr = out, &output{ctx: ctx, w: e.stderr}
	switch {
	case len(args) == 0:
		usage(e.stderr)
		return exitError
	case slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0]):
		usage(e.stdout)
		return exitOf(out.err)
	}
	for _, c := range commands {
		if c.name != args[0] {
			continue
		}
		e.cmd = c
		if err := cache.Sweep(); err != nil {
			fmt.Fprintf(e.stderr, "entrylab: %v\n", err)
		}
		status, err := c.run(ctx, e, args[1:])
		if errors.Is(err, flag.ErrHelp) {
			e.help()
			return exitOf(out.err)
		}
		if err == nil {
			err = out.err
		}
		if err != nil {
			status = e.failed(ctx, status, err)
		}
		return status
	}
	fmt.Fprintf(e.stderr, "entrylab: no command %q; `entrylab help` lists them\n", args[0])
	return exitError
}

// exitOf is the status of what printed only, with the error of that.
func exitOf(err error) int {
	if err != nil {
		return exitError
	}
	return 0
}

// refusal is the error that a variant was not proved right.
type refusal struct{ error }

// failed prints why a command failed, which has returned that status, and
// returns the process's.
func (e *env) failed(ctx context.Context, status int, err error) int {
	if e.help != nil {
		err = fmt.Errorf("%w; `entrylab %s -h` lists the flags", err, e.cmd.name)
	}
	how := endError
	if end, ok := errors.AsType[*bootEnd](err); ok {
		how = end.how
	} else if _, ok := errors.AsType[refusal](err); ok {
		how, status = endRefuted, exitFail
	} else if ctx.Err() != nil {
		how, status, err = endInterrupted, 0, errors.New(endInterrupted)
	}
	if status == 0 {
		status = e.cmd.couldNot()
	}
	if e.cmd.name == "boot" {
		fmt.Fprint(e.stderr, bootMessage(how, err))
	} else {
		fmt.Fprintf(e.stderr, "entrylab %s: %v\n", e.cmd.name, err)
	}
	return status
}

// couldNot is the status of a command that could not do its job.
func (c command) couldNot() int {
	if c.name == "boot" {
		return exitNothing
	}
	return exitError
}

func usage(w io.Writer) {
	fmt.Fprintln(w, "usage: entrylab COMMAND [ARGUMENTS]")
	for _, c := range commands {
		fmt.Fprintf(w, "\n  %s\n        %s\n", c.synopsis(), c.short)
	}
	fmt.Fprint(w, `
"entrylab COMMAND -h" tells a command's flags.

Exit status of all commands but boot:
  0    all is well
  1    a check failed, a variant is refuted or not proved, a figure is worse
  2    the command could not do its job, a machine's time-out included
Exit status of boot:
  N    that of init; 128+N if signal N killed it
  1    the variant is refuted or not proved, and was not booted
  124  the machine came to no end in its time
  125  there is no verdict, as of a kernel that panicked; or entrylab could not do
       its job
As init can end with any of these, the last line on standard error tells. It is
the kernel's if init ended,
  entrylab: init exited with status N
  entrylab: init killed by signal N ...
and else one of
  entrylab boot: end: time-out: ...
  entrylab boot: end: no verdict: ...
  entrylab boot: end: refuted: ...
  entrylab boot: end: error: ...
  entrylab boot: end: interrupted
SIGINT and SIGTERM end every command at once, with whatever it has started; a
second one kills it.
`)
}

// synopsis is the command with its arguments.
func (c command) synopsis() string { return strings.TrimSpace(c.name + " " + c.args) }

// flags returns the flag set of the subcommand that runs. Its parse errors are
// printed by run, once.
func (e *env) flags() *flag.FlagSet {
	fs := flag.NewFlagSet(e.cmd.name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {
		e.help = func() {
			fmt.Fprintf(e.stdout, "usage: entrylab %s\n\n%s\n", e.cmd.synopsis(), e.cmd.short)
			fs.SetOutput(e.stdout)
			fs.PrintDefaults()
		}
	}
	return fs
}
