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
	"slices"
	"strings"
	"syscall"

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
	{"boot", "[-variant V] [-engine E] [-machine M] [-append ARGS] [-init PROG] [-- ARGS]", "run a static Go program as /init on a generated kernel", runBoot},
	{"verify", "[-variants A,B|all] [-engine E]", "check registers, frames, threads and signals", runVerify},
	{"compare", "[-engine E] [-format text|json|bench] [-from FILE] A B [C...]", "measure variants against the first of them, or read what machines measured by themselves", runCompare},
	{"study", "[-o FILE] [-engines A,B]", "answer the question: every change on every engine, one page", runStudy},
	{"report", "RESULTS... -o FILE", "results as one HTML file", runReport},
	{"baseline", "-kernel VMLINUZ [-engine E] [-append WORDS] [-o FILE]", "a Linux kernel with the same init, beside the generated ones", runBaseline},
	{"clean", "", fmt.Sprintf("empty the cache folder. It holds generated files, of which the least recently used go beyond %d MiB, and what make linux fetched", cache.Bound>>20), runClean},
}

// Exit statuses of the command itself; boot passes init's own on.
const (
	exitFail  = 1 // a check failed
	exitError = 2 // the command could not do its job
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, &env{stdout: os.Stdout, stderr: os.Stderr}, os.Args[1:])
	stop()
	os.Exit(status)
}

func run(ctx context.Context, e *env, args []string) int {
	switch {
	case len(args) == 0:
		usage(e.stderr)
		return exitError
	case slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0]):
		usage(e.stdout)
		return 0
	}
	for _, c := range commands {
		if c.name != args[0] {
			continue
		}
		e.cmd = c
		if err := cache.Sweep(); err != nil {
			fmt.Fprintf(e.stderr, "entrylab: %v\n", err)
		}
		out := &checkedWriter{w: e.stdout}
		e.stdout = out
		status, err := c.run(ctx, e, args[1:])
		if err == nil {
			err = out.err
		}
		switch {
		case err == nil:
		case errors.Is(err, flag.ErrHelp):
			e.help()
			return 0
		case ctx.Err() != nil:
			fmt.Fprintf(e.stderr, "entrylab %s: interrupted\n", c.name)
			return exitError
		default:
			if e.help != nil {
				err = fmt.Errorf("%w; `entrylab %s -h` lists the flags", err, c.name)
			}
			fmt.Fprintf(e.stderr, "entrylab %s: %v\n", c.name, err)
			if status == 0 {
				status = exitError
			}
		}
		return status
	}
	fmt.Fprintf(e.stderr, "entrylab: no command %q; `entrylab help` lists them\n", args[0])
	return exitError
}

// checkedWriter remembers the first error, so that a command need not look at
// each line that it prints.
type checkedWriter struct {
	w   io.Writer
	err error
}

func (c *checkedWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	if c.err == nil {
		c.err = err
	}
	return n, err
}

func usage(w io.Writer) {
	fmt.Fprintln(w, "usage: entrylab COMMAND [ARGUMENTS]")
	for _, c := range commands {
		fmt.Fprintf(w, "\n  %s\n        %s\n", c.synopsis(), c.short)
	}
	fmt.Fprint(w, `
"entrylab COMMAND -h" tells a command's flags.

Exit status: 0 all is well; 1 a check failed, or a variant is not proved; 2 the
command could not do its job, and says why. boot: that of init, 128 and the
number of the signal that killed it, or 125 if the machine gave no verdict.
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
