// Package solver runs scripts on an SMT solver of this machine, many scripts in one
// process.
package solver

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/entrylab/entrylab/internal/bounded"
)

// commands are the solvers that are looked for, the fastest first. Each reads commands from
// standard input and answers each at once.
var commands = [][]string{
	{"z3", "-in", "-smt2"},
	{"cvc5", "--lang=smt2", "--incremental", "--quiet"},
}

// ErrMissing means that the machine has no solver.
var ErrMissing = errors.New("no SMT solver: install z3 or cvc5 (Debian packages of these names)")

// Solver is a running solver. It ends with this process.
type Solver struct {
	// Name is the name of the command: z3 or cvc5.
	Name  string
	ctx   context.Context
	stop  context.CancelFunc
	in    io.WriteCloser
	pipe  *os.File
	out   *bufio.Reader
	says  *bounded.Buffer // what it printed on standard error
	ended chan error
}

// Start starts the first solver that it finds. The solver is killed when ctx is done.
func Start(ctx context.Context) (*Solver, error) {
	for _, c := range commands {
		if path, err := exec.LookPath(c[0]); err == nil {
			return start(ctx, path, c...)
		}
	}
	return nil, ErrMissing
}

// maxStderr is how much of what a solver says on standard error is kept.
const maxStderr = 4 << 10

func start(ctx context.Context, path string, command ...string) (*Solver, error) {
	s := &Solver{Name: command[0], ctx: ctx, says: &bounded.Buffer{Most: maxStderr}, ended: make(chan error, 1)}
	ctx, s.stop = context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, path, command[1:]...)
	cmd.Stderr = s.says
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL} // Ctrl-C is the parent's to act on
	cmd.WaitDelay = time.Second
	var err error
	if s.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	s.pipe, s.out, cmd.Stdout = read, bufio.NewReader(read), write
	started := make(chan error, 1)
	go func() {
		// The kernel sends the death signal when the thread that started the program ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		write.Close()
		if err == nil {
			err = cmd.Wait()
		}
		s.ended <- err
	}()
	if err := <-started; err != nil {
		read.Close()
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	return s, nil
}

// Ask gives the solver a script with that many check-sats and returns its answers: whether
// there is a model. An answer other than sat and unsat is an error, and so is the end of
// the solver. After an error the solver cannot be used again.
func (s *Solver) Ask(script []byte, checks int) (sat []bool, err error) {
	written := make(chan error, 1)
	go func() {
		_, err := s.in.Write(script)
		written <- err
	}()
	for range checks {
		line, err := s.out.ReadString('\n')
		if err != nil {
			return nil, s.died(err)
		}
		switch line = strings.TrimSpace(line); line {
		case "sat", "unsat":
			sat = append(sat, line == "sat")
		case "unknown":
			return nil, fmt.Errorf("%s does not know the answer of check-sat %d", s.Name, len(sat)+1)
		default:
			return nil, fmt.Errorf("%s answers check-sat %d with %.200q, not with sat or unsat", s.Name, len(sat)+1, line)
		}
	}
	if err := <-written; err != nil {
		return nil, s.died(err)
	}
	return sat, nil
}

// died returns the error for a solver that has ended.
func (s *Solver) died(err error) error {
	ended := <-s.ended
	s.ended <- ended
	if cause := context.Cause(s.ctx); cause != nil {
		return cause
	}
	if ended != nil {
		err = ended
	}
	if text := bytes.TrimSpace(s.says.Bytes()); len(text) > 0 {
		return fmt.Errorf("%s ended before it had answered (%w): %s", s.Name, err, text)
	}
	return fmt.Errorf("%s ended before it had answered (%w)", s.Name, err)
}

// Close ends the solver.
func (s *Solver) Close() {
	s.stop()
	<-s.ended
	s.in.Close()
	s.pipe.Close()
}
