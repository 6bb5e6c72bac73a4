// Command execs starts itself by os/exec in every usual way. It needs no file but its
// own, which it runs as /proc/self/exe.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"
)

const self = "/proc/self/exe"

func main() {
	if len(os.Args) > 1 && os.Args[1] == "child" {
		os.Exit(child(os.Args[2], os.Args[3:]))
	}
	failed := 0
	for _, part := range []struct {
		name string
		run  func() error
	}{
		{"output", output},
		{"pipeline", pipeline},
		{"status", status},
		{"environment", environment},
		{"descriptors", descriptors},
		{"signals", signals},
		{"context", byContext},
		{"many", many},
		{"missing", missing},
		{"replaced", replaced},
	} {
		if err := part.run(); err != nil {
			failed++
			fmt.Printf("FAILED %s: %v\n", part.name, err)
			continue
		}
		fmt.Printf("ok %s\n", part.name)
	}
	fmt.Printf("done, %d failed\n", failed)
	os.Exit(failed)
}

// child does what a started program does.
func child(what string, args []string) int {
	switch what {
	case "echo":
		fmt.Println(strings.Join(args, " "))
	case "upper":
		in, err := io.ReadAll(os.Stdin)
		if err != nil {
			return 1
		}
		os.Stdout.Write(bytes.ToUpper(in))
	case "exit":
		var n int
		fmt.Sscan(args[0], &n)
		return n
	case "env":
		dir, err := os.Getwd()
		if err != nil {
			return 1
		}
		fmt.Println(os.Environ(), len(os.Args), dir)
	case "fd3":
		in, err := io.ReadAll(os.NewFile(3, "3"))
		fmt.Printf("%s %v", in, err)
	case "sleep":
		signal.Ignore(syscall.SIGUSR1)
		fmt.Println("ready")
		time.Sleep(time.Hour)
	case "exec":
		err := syscall.Exec(self, []string{"x", "child", "echo", "another", fmt.Sprint(os.Getpid())}, nil)
		fmt.Println(err)
		return 1
	}
	return 0
}

func command(args ...string) *exec.Cmd {
	return exec.Command(self, append([]string{"child"}, args...)...)
}

func output() error {
	out, err := command("echo", "a", "b c").CombinedOutput()
	if string(out) != "a b c\n" || err != nil {
		return fmt.Errorf("got %q, %v", out, err)
	}
	return nil
}

func pipeline() error {
	first, second, third := command("echo", strings.Repeat("x", 100_000)), command("upper"), command("upper")
	second.Stdin, _ = first.StdoutPipe()
	third.Stdin, _ = second.StdoutPipe()
	var out bytes.Buffer
	third.Stdout = &out
	for _, c := range []*exec.Cmd{first, second, third} {
		if err := c.Start(); err != nil {
			return err
		}
	}
	for _, c := range []*exec.Cmd{third, second, first} {
		if err := c.Wait(); err != nil {
			return err
		}
	}
	if want := strings.Repeat("X", 100_000) + "\n"; out.String() != want {
		return fmt.Errorf("%d bytes came out, want %d", out.Len(), len(want))
	}
	return nil
}

func status() error {
	var exit *exec.ExitError
	for n := range 4 {
		err := command("exit", fmt.Sprint(n*50)).Run()
		got := 0
		if errors.As(err, &exit) {
			got = exit.ExitCode()
		}
		if got != n*50 {
			return fmt.Errorf("status %d: %v", n*50, err)
		}
	}
	return nil
}

func environment() error {
	c := command("env")
	c.Env = []string{"A=1", "B=x y"}
	c.Dir = "/proc"
	out, err := c.Output()
	if want := "[A=1 B=x y] 3 /proc\n"; string(out) != want || err != nil {
		return fmt.Errorf("got %q, want %q, %v", out, want, err)
	}
	return nil
}

func descriptors() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	c := command("fd3")
	c.ExtraFiles = []*os.File{r}
	var out bytes.Buffer
	c.Stdout = &out
	if err := c.Start(); err != nil {
		return err
	}
	r.Close()
	fmt.Fprint(w, "through 3")
	w.Close()
	err = c.Wait()
	if want := "through 3 <nil>"; out.String() != want || err != nil {
		return fmt.Errorf("got %q, want %q, %v", out.String(), want, err)
	}
	return nil
}

func signals() error {
	c := command("sleep")
	out, _ := c.StdoutPipe()
	if err := c.Start(); err != nil {
		return err
	}
	if line := make([]byte, 6); true {
		if _, err := io.ReadFull(out, line); err != nil || string(line) != "ready\n" {
			return fmt.Errorf("got %q, %v", line, err)
		}
	}
	if err := c.Process.Signal(syscall.SIGUSR1); err != nil {
		return err
	}
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	c.Wait()
	if ws := c.ProcessState.Sys().(syscall.WaitStatus); !ws.Signaled() || ws.Signal() != syscall.SIGTERM {
		return fmt.Errorf("it ended with %v", c.ProcessState)
	}
	if err := c.Process.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("a signal after the end: %v", err)
	}
	return nil
}

func byContext() error {
	ctx, cancel := context.WithCancel(context.Background())
	c := exec.CommandContext(ctx, self, "child", "sleep")
	time.AfterFunc(20*time.Millisecond, cancel)
	err := c.Run()
	if !errors.Is(err, context.Canceled) && (err == nil || err.Error() != "signal: killed") {
		return fmt.Errorf("got %v", err)
	}
	return nil
}

func many() error {
	var wg sync.WaitGroup
	errs := make(chan error, 12)
	for n := range cap(errs) {
		wg.Go(func() {
			out, err := command("echo", fmt.Sprint(n)).Output()
			if string(out) != fmt.Sprintln(n) || err != nil {
				errs <- fmt.Errorf("%d: got %q, %v", n, out, err)
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}

func missing() error {
	if err := exec.Command("/no/such/file").Run(); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("a missing file: %v", err)
	}
	if err := exec.Command("/dev/null").Run(); !errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("a device: %v", err)
	}
	return nil
}

func replaced() error {
	c := command("exec")
	out, err := c.Output()
	if want := fmt.Sprintf("another %d\n", c.Process.Pid); string(out) != want || err != nil {
		return fmt.Errorf("got %q, want %q, %v", out, want, err)
	}
	return nil
}
