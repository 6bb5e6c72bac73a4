// Package group runs a program as a process group that ends, as a whole, with this
// process, however that ends: a compiler driver or a shell that is killed alone leaves
// running what it has started.
package group

import (
	"errors"
	"io"
	"os/exec"
	"syscall"
	"time"
)

// afterEnd is the time that what a program left running may hold its output open.
const afterEnd = time.Second

// Run runs a command, which exec.CommandContext made, in a group of its own. What it
// started and left running is killed when it ends, when its context does, and when
// this process does.
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
	// guard is the group's first process. It waits for the end of its standard
	// input, the other end of which is here alone, and then kills the group.
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

// kill has the group killed.
func (g *group) kill() error { return g.input.Close() }

// end ends what still runs in the group.
func (g *group) end() {
	_ = g.kill()       // it may be so already
	_ = g.guard.Wait() // it has killed itself
}
