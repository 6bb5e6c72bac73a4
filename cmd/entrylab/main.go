// Command entrylab generates tiny x86-64 kernels with a choice of SYSCALL
// entry paths, boots them, proves that what the entry must keep is kept, and
// tells what each path costs.
//
// It is thin: a command turns its flags into one call and prints the result.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// env is what a command works with.
type env struct {
	stdout, stderr io.Writer
	name           string // of the command that runs; empty before one is known
	status         int    // what it ended with
	notFound       error  // help was asked for of a command that is not there
	quiet          bool   // neither progress nor remarks
}

// remark tells the user on stderr what is good to know and no error.
func (e *env) remark(format string, args ...any) {
	if !e.quiet {
		fmt.Fprintf(e.stderr, "entrylab: "+format+"\n", args...)
	}
}

// Exit statuses. statuses and bootStatuses say what they mean.
const (
	exitFail    = 1   // a check failed
	exitError   = 2   // the command could not do its job
	exitTimeOut = 124 // boot: the machine came to no end
	exitNothing = 125 // boot: exitError, or there is no verdict
	exitSignal  = 128 // boot: plus the signal that killed init
)

// memoryGoal is what the collector keeps the heap below as long as the input
// allows. Up to there it collects seldom: most commands end soon, and hold what they make.
const (
	memoryGoal  = 300 << 20
	heapPercent = 400
)

// lastMoment is the time that a command has to end after a signal. It is a variable
// for the tests.
var lastMoment = 3 * time.Second

func main() {
	debug.SetMemoryLimit(memoryGoal)
	debug.SetGCPercent(heapPercent)
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
	err := cmp.Or(e.root().Run(ctx, append([]string{"entrylab"}, args...)), e.notFound, out.err)
	if err != nil {
		return e.failed(ctx, e.status, err)
	}
	return e.status
}

// refusal is the error that a variant was not proved right.
type refusal struct{ error }

// failed prints why a command failed, which has returned that status, and
// returns the process's.
func (e *env) failed(ctx context.Context, status int, err error) int {
	how := endError
	if end, ok := errors.AsType[*bootEnd](err); ok {
		how = end.how
	} else if _, ok := errors.AsType[refusal](err); ok {
		how, status = endRefuted, exitFail
	} else if ctx.Err() != nil {
		how, status, err = endInterrupted, 0, errors.New(endInterrupted)
	}
	if status == 0 {
		status = e.couldNot()
	}
	if e.name == "boot" {
		fmt.Fprint(e.stderr, bootMessage(how, err))
	} else {
		fmt.Fprintf(e.stderr, "%s: %v\n", strings.TrimSpace("entrylab "+e.name), err)
	}
	return status
}

// couldNot returns the status of a command that could not do its job.
func (e *env) couldNot() int {
	if e.name == "boot" {
		return exitNothing
	}
	return exitError
}
