// Package group runs a program as a process group that ends as a whole with this process,
// however that ends. Killing only a compiler driver or a shell would leave running what it
// has started.
package group

import (
	"errors"
	"io"
	"os/exec"
	"syscall"
	"time"
)

// afterEnd is how long processes that a program left running may hold its output open.
const afterEnd = time.Second

// Run runs a command that exec.CommandContext made, in a process group of its own. What it
// leaves running is killed when it ends, when its context is done, and when this process
// ends.
func Run(cmd *exec.Cmd) error {
	g, err := newGroup()
	if err != nil {
		return err
	}
	defer g.end()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: g.guard.Process.Pid}
	cmd.Cancel = g.kill
	cmd.WaitDelay = afterEnd
	err = cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		return nil // it ended well
	}
	return err
}

type group struct {
	// guard is the group's first process. It waits for the end of its standard input,
	// whose other end only this process has, and then kills the group.
	guard *exec.Cmd
	input io.Closer
}

func newGroup() (*group, error) {
	guard := exec.Command("/bin/sh", "-c", "read -r _; kill -KILL 0")
	guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	input, err := guard.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := guard.Start(); err != nil {
		return nil, err
	}
	return &group{guard, input}, nil
}

// kill makes the guard kill the group.
func (g *group) kill() error { return g.input.Close() }

// end kills what still runs in the group.
func (g *group) end() {
	_ = g.kill()       // it may be killed already
	_ = g.guard.Wait() // an error, as it kills itself
}
