package work

import (
	"errors"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// start starts a shell that ends, with its children, with the test.
func start(t *testing.T, script string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sh", "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // the group
		_ = cmd.Wait()
	})
	return cmd
}

// TestOf looks at programs until they are seen to do what they do.
func TestOf(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		seen         func(Sample) bool
	}{
		{"busy", "while :; do :; done", func(s Sample) bool { return !s.Asleep && s.CPU > 100*time.Millisecond }},
		{"asleep", "exec sleep 1000", func(s Sample) bool { return s.Asleep }},
		{"a busy child", "(while :; do :; done) & wait", func(s Sample) bool {
			return !s.Asleep && s.CPU > 100*time.Millisecond
		}},
		{"a child that was busy", "sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done'; exec sleep 1000", func(s Sample) bool {
			return s.Asleep && s.CPU >= 2*tick
		}},
		{"stopped", "kill -STOP $$", func(s Sample) bool { return !s.Asleep }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := start(t, tt.script)
			for {
				s, err := Of(cmd.Process.Pid)
				if err != nil {
					t.Fatal(err)
				}
				if tt.seen(s) {
					return
				}
				time.Sleep(Turn / 10)
			}
		})
	}
	t.Run("ended", func(t *testing.T) {
		cmd := exec.Command("true")
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		if s, err := Of(cmd.Process.Pid); err != nil || !s.Asleep || s.CPU != 0 {
			t.Errorf("%+v, %v; want it asleep", s, err)
		}
	})
}

// TestRun: a program that works or sleeps for ever is ended, one that is stopped
// for longer than its limit is not.
func TestRun(t *testing.T) {
	const limit = time.Second
	for _, tt := range []struct {
		name, script string
		want         error
	}{
		{"works for ever", "while :; do :; done", ErrHangs},
		{"sleeps for ever", "exec sleep 1000", ErrHangs},
		{"ends", "exit 0", nil},
		{"is stopped", "(sleep 3; kill -CONT $$) & kill -STOP $$", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if err := Run(exec.CommandContext(t.Context(), "sh", "-c", tt.script), limit); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
	t.Run("fails", func(t *testing.T) {
		var exit *exec.ExitError
		if err := Run(exec.Command("false"), limit); !errors.As(err, &exit) {
			t.Errorf("%v, want its exit status", err)
		}
	})
}

// TestSpeed: some speed is measured, and measured again when it is old.
func TestSpeed(t *testing.T) {
	if s := Speed(); s <= 0 {
		t.Errorf("speed %g", s)
	}
	speed.value, speed.at = -1, time.Now().Add(-2*speedAge)
	if s := Speed(); s <= 0 {
		t.Errorf("speed %g, measured long ago", s)
	}
}
