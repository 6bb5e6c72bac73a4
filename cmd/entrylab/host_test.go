package main

import (
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/entrylab/entrylab/gen/wire"
)

// TestVerifyHost runs the checks on the kernel under the test. What they find is
// printed, and is no verdict on entrylab: that they end, and say one of the two.
func TestVerifyHost(t *testing.T) {
	status, stdout, stderr := played(t, "verify", "-engine", "host")
	t.Logf("status %d\n%s%s", status, stdout, stderr)
	if status != 0 && status != exitFail {
		t.Errorf("status %d", status)
	}
	for _, want := range []string{`^engine host, Linux \S+, on `, `(?m)^this host's +[1-9]\d* +\d+ +\d+ +0$`, `(?m)^skipped, \d+: Linux has no control interface$`} {
		if !regexp.MustCompile(want).MatchString(stdout) {
			t.Errorf("it does not print %s", want)
		}
	}
}

// differingHost is the variable that makes the command run on a host that answers
// call 600 with EPERM.
const differingHost = "PLAY_DIFFERING_HOST"

// injectDifference makes the kernel answer call 600 of this process, and of all
// that it starts, with EPERM (seccomp(2)).
func injectDifference() {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: 600},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		panic(err)
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		panic(errno)
	}
}

// TestVerifyDifferingHost: a kernel that answers otherwise than it should is a
// finding, and status 1.
func TestVerifyDifferingHost(t *testing.T) {
	cmd, stderr := process(t, "verify", "-engine", "host")
	cmd.Env = append(cmd.Env, differingHost+"=1")
	stdout, err := cmd.Output()
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		t.Fatal(err)
	}
	const want = "\nDIFFERS: linux: registers: unknown call 600 ("
	if status := cmd.ProcessState.ExitCode(); status != exitFail || !strings.Contains(string(stdout), want) || !strings.Contains(string(stdout), "operation not permitted") {
		t.Errorf("%v, want status %d and %q:\n%s%s", cmd.ProcessState, exitFail, want, stdout, stderr)
	}
}

// TestHostFindings: differences that are known are said to be, and others are not.
func TestHostFindings(t *testing.T) {
	const (
		nt = "with flags [NT]: R11 is 0x202, want 0x4202: [NT] differ, Flags is 0x202, want 0x4202: [NT] differ"
		ac = "with flags [NT AC]: R11 is 0x202, want 0x44202: [NT AC] differ"
		df = "with flags [NT]: R11 is 0x202, want 0x4202: [NT] differ, Flags is 0x602, want 0x4202: [DF NT] differ"
	)
	pass, skip := wire.Check{Outcome: wire.Pass, Name: "linux: a: p"}, wire.Check{Outcome: wire.Skip, Name: "linux: a: s", Detail: "not here"}
	fail := func(detail string) wire.Check {
		return wire.Check{Outcome: wire.Fail, Name: "linux: a: f", Detail: detail}
	}
	machine := wire.Machine{Vendor: "X", Signature: 1, Hypervisor: "KVMKVMKVM", CPU: "Y"}
	for _, tt := range []struct {
		name   string
		checks []wire.Check
		status int
		want   []string
		not    string
	}{
		{"nothing", []wire.Check{pass, skip}, 0, []string{"No check saw a difference", "\nskipped, 1: not here\n", "hypervisor by CPUID: KVMKVMKVM\n"}, "DIFFERS"},
		{"NT", []wire.Check{pass, fail(nt), fail(nt)}, exitFail, []string{"known, 2 of these: NT is lost on SYSCALL", "paravirtual", "finding about this host"}, "No check"},
		{"NT and more", []wire.Check{fail(ac), fail(df)}, exitFail, []string{"DIFFERS: linux: a: f (" + ac + ")"}, "known"},
		{"another", []wire.Check{fail("R10 is 0x0, want 0x1")}, exitFail, []string{"DIFFERS: linux: a: f (R10 is 0x0, want 0x1)\n"}, "known"},
		{"harness", []wire.Check{fail(nt), {Outcome: wire.Error, Name: "linux: a: e", Detail: "no thread"}}, exitError, []string{"ERROR: linux: a: e (no thread)\n", "could not all be made"}, "No check"},
	} {
		var b strings.Builder
		d, status := hostFindings("engine host", &wire.Results{Checks: tt.checks, Info: []string{"linux: " + machine.String()}})
		if err := d.Write(&b, "text"); err != nil || status != tt.status {
			t.Errorf("%s: status %d and %v, want %d", tt.name, status, err, tt.status)
		}
		for _, want := range tt.want {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s: no %q in\n%s", tt.name, want, b.String())
			}
		}
		if strings.Contains(b.String(), tt.not) {
			t.Errorf("%s: %q in\n%s", tt.name, tt.not, b.String())
		}
	}
}

// TestVerifyHostBadInput: what a host has not is refused by name.
func TestVerifyHostBadInput(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"-machine pc", "-machine: -engine host boots no machine"},
		{"-variants linux-4.1", "-variants: -engine host boots no machine and has one entry path"},
		{"-timeout 1ns", "no end after 1ns (time-out)"},
		{"x", "takes no argument but flags"},
	} {
		status, stdout, stderr := played(t, append([]string{"verify", "-engine", "host"}, strings.Fields(tt.args)...)...)
		if status != exitError || stdout != "" || !strings.Contains(stderr, tt.want) {
			t.Errorf("%s: status %d, %q, %q; want %q", tt.args, status, stdout, stderr, tt.want)
		}
	}
}

// TestVerifyHostInterrupted: the guest goes with the command.
func TestVerifyHostInterrupted(t *testing.T) {
	guests := func() []string {
		return slices.DeleteFunc(processes("/guest\x00verify"), func(line string) bool { return !strings.Contains(line, programDir) })
	}
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
		for caught := false; !caught; { // it may end by itself before it is seen
			cmd, stderr := process(t, "verify", "-engine", "host")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_ = cmd.Wait()
			}()
			for running := true; running && !caught; {
				select {
				case <-ended:
					running = false
				default:
					caught = len(guests()) > 0
				}
			}
			_ = cmd.Process.Signal(signal)
			<-ended
			switch status := cmd.ProcessState.ExitCode(); {
			case status == 0 || status == exitFail:
				caught = false
			case signal != syscall.SIGKILL && (status != exitError || stderr.String() != "entrylab verify: interrupted\n"):
				t.Errorf("%v: %v, %q; want status %d", signal, cmd.ProcessState, stderr, exitError)
			}
		}
		for len(guests()) > 0 { // else the tests time out
			runtime.Gosched()
		}
	}
}
