package vm

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/cache"
	"github.com/entrylab/entrylab/internal/work"
)

// Bochs is an emulator that shares nothing with QEMU, with a virtual clock
// that counts instructions, like ICount: at bochsIPS both have the same
// time. It only boots a Disk, and has one machine, an i440FX like QEMU's PC.
//
// By design it counts differently from QEMU's icount in one case: a REP of n rounds is
// n instructions, in QEMU n+1 (the last finds RCX 0).
const Bochs Engine = wire.EngineBochs

const (
	// BochsCPU is the default CPU model: the first with SMAP.
	BochsCPU = "broadwell_ult"
	// BochsFeaturesCPU is a model with every CPU feature that a variant may need, but for
	// BochsLacks and FRED; QEMU's emulator has none of them.
	BochsFeaturesCPU = "tigerlake"
	// BochsLacks are the features that a variant may need and no emulated CPU has.
	BochsLacks = layout.FeatureBHICtrl
	// BochsFREDCPU is a model with FRED, of which a Bochs built with FRED has more.
	BochsFREDCPU = "wildcat_lake"
	// bochsIPS is how many instructions take a second of the machine's time: the
	// same number as with QEMU's -icount shift=0.
	bochsIPS = 1_000_000_000

	xvfbProgram = "Xvfb"

	// BochsVariable is the variable of the environment that names another Bochs than the
	// one in the PATH, such as one with FRED. It must have the display library nogui.
	BochsVariable = "ENTRYLAB_BOCHS"
)

// UseBochs makes machines of Bochs run by the program at a path, as BochsVariable does, from
// now on and in the processes that this one starts.
func UseBochs(path string) error {
	if _, err := exec.LookPath(path); err != nil {
		return err
	}
	return os.Setenv(BochsVariable, path)
}

// bochsProgram returns Bochs's name or path, and whether it is the user's own.
func bochsProgram() (name string, own bool) {
	if path := os.Getenv(BochsVariable); path != "" {
		return path, true
	}
	return "bochs", false
}

// ErrNoBochs means that Bochs, its display or the X server for it are not
// installed.
var ErrNoBochs = errors.New("cannot use Bochs: apt-get install bochs bochs-x bochsbios vgabios xvfb")

// ErrBochsStart is the ErrStart of Bochs, or of the X server for it.
var ErrBochsStart = errors.New("bochs failed at start")

// findBochs looks for the programs that Bochs needs to run without a screen.
func findBochs() error {
	program, own := bochsProgram()
	if own {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("the Bochs that %s names cannot be run: %w", BochsVariable, err)
		}
		return nil
	}
	for _, program := range []string{program, xvfbProgram} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%w (%s not found)", ErrNoBochs, program)
		}
	}
	return nil
}

// bochsArgs returns Bochs's arguments: disk and console are paths.
func (c *Config) bochsArgs(disk, console string) []string {
	cpu, memory := c.CPU, c.MemoryMiB
	if cpu == "" {
		cpu = BochsCPU
	}
	if memory == 0 {
		memory = DefaultMemoryMiB
	}
	// One of one's own may have been built without sound, and then knows no driver.
	display, sound := "x", []string{"sound: driver=dummy"}
	if _, own := bochsProgram(); own {
		display, sound = "nogui", nil
	}
	model, features, more := strings.Cut(cpu, "+")
	if more {
		model += fmt.Sprintf(", add_features=%q", strings.ReplaceAll(features, "+", " "))
	}
	return slices.Concat([]string{
		"-q", "-f", os.DevNull, "-unlock",
		"display_library: " + display,
		"megs: " + strconv.Itoa(memory),
		fmt.Sprintf("cpu: model=%s, ips=%d, reset_on_triple_fault=0", model, bochsIPS),
		fmt.Sprintf("clock: sync=none, time0=%d", clockBase.Unix()),
		"ata0-master: type=disk, mode=flat, path=" + disk,
		"boot: disk",
		"com1: enabled=1, mode=file, dev=" + console,
		"parport1: enabled=1, file=" + console,
		"port_e9_hack: enabled=1",
		"speaker: enabled=0",
		"panic: action=fatal", "error: action=ignore", "info: action=ignore", "debug: action=ignore",
	}, sound, c.Extra)
}

// bochsCommandLine boots the machine by hand, on the user's X server,
// with the log on standard output and the console on standard error. The word
// on standard input tells Bochs's debugger to continue.
func (c *Config) bochsCommandLine() string {
	program, _ := bochsProgram()
	return "echo c | " + Quote(append([]string{program}, c.bochsArgs(c.Disk, "/dev/stderr")...))
}

// bochsShutdown is what Bochs prints when the kernel has ended the machine.
const bochsShutdown = "shutdown requested"

// bootBochs works like boot, but for Bochs: it runs the machine to its end. Bochs has no
// exit code for a guest; that it ended at the shutdown port is the second sign in addition
// to the log's last line.
func bootBochs(ctx context.Context, c *Config, rec *recorder) (ending, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if err := findBochs(); err != nil {
		return ending{}, err
	}
	dir, remove, err := cache.Temp("bochs")
	if err != nil {
		return ending{}, err
	}
	defer remove()
	image, err := filepath.Abs(c.Disk)
	if err != nil {
		return ending{}, err
	}
	disk := filepath.Join(dir, "disk") // Bochs puts a lock file next to it
	if err := os.Symlink(image, disk); err != nil {
		return ending{}, err
	}
	console, consoleEnd, err := os.Pipe()
	if err != nil {
		return ending{}, err
	}
	defer console.Close()

	// The parent-death signal comes when the thread that started the process
	// ends: keep that thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	program, own := bochsProgram()
	display := ""
	if !own {
		var stopXvfb func()
		if display, stopXvfb, err = startXvfb(ctx); err != nil {
			consoleEnd.Close()
			return ending{}, err
		}
		defer stopXvfb()
	}

	const consoleFD = 3 // the first of ExtraFiles
	cmd := exec.CommandContext(ctx, program, c.bochsArgs(disk, fmt.Sprintf("/dev/fd/%d", consoleFD))...)
	cmd.Env = append(os.Environ(), "DISPLAY="+display)
	cmd.Stdin = strings.NewReader("c\n") // tells its debugger to continue
	consoleOut := &channel{file: console, to: &rec.console}
	logLines := &lineFilter{to: after{consoleOut, &rec.log}, keep: isLog}
	said := &lineFilter{to: &rec.stdio, keep: isComplaint}
	cmd.Stdout, cmd.Stderr = logLines, said
	cmd.ExtraFiles = []*os.File{consoleEnd}
	var debugger *os.File
	if c.Debug != nil {
		ours, theirs, err := socketPair("Bochs's debugger")
		if err != nil {
			consoleEnd.Close()
			return ending{}, err
		}
		defer ours.Close()
		defer theirs.Close()
		debugger, cmd.Stdin, cmd.Stdout = ours, theirs, theirs
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = outputDelay
	rec.start = time.Now()
	err = cmd.Start()
	consoleEnd.Close()
	if err != nil {
		return ending{}, fmt.Errorf("%w: %w", ErrBochsStart, err)
	}
	ended := make(chan struct{})
	defer close(ended)
	go c.budget().watch(cmd.Process.Pid, rec, nil, ended, stop)
	var pump sync.WaitGroup
	var consoleErr error
	pump.Go(func() { consoleErr = consoleOut.pump() })
	debugged := make(chan error, 1)
	go func() {
		var err error
		if c.Debug != nil {
			err = c.Debug(debugger)
		}
		if err != nil {
			stop(err)
		}
		debugged <- err
	}()
	waitErr := cmd.Wait()
	if debugger != nil {
		debugger.Close() // what it waits for comes no more
	}
	debugErr := <-debugged
	readOut(&pump, grace, console)
	if err := errors.Join(debugErr, consoleErr); err != nil {
		return ending{}, err
	}

	code, signal, err := exitStatus(waitErr)
	if err != nil {
		return ending{}, err
	}
	end := rec.ending()
	end.bochs, end.code, end.signal = true, code, signal
	end.shutdown = strings.Contains(end.said, bochsShutdown)
	return end, end.killed(ctx)
}

// startXvfb starts an X server without a screen, on a display number that it
// chooses, and returns the display. From then on only stop ends the server. Call stop
// after Bochs has ended: a Bochs that loses its display reports a broken
// connection instead of what ended it.
func startXvfb(ctx context.Context) (display string, stop func(), err error) {
	number, numberEnd, err := os.Pipe()
	if err != nil {
		return "", nil, err
	}
	defer number.Close()
	serving, end := context.WithCancel(context.WithoutCancel(ctx))
	cmd := exec.CommandContext(serving, xvfbProgram, "-displayfd", "3", "-screen", "0", "720x480x24", "-nolisten", "tcp")
	var said bytes.Buffer
	cmd.Stderr = &said
	cmd.ExtraFiles = []*os.File{numberEnd}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it then removes its socket
	cmd.WaitDelay = grace
	err = cmd.Start()
	numberEnd.Close()
	if err != nil {
		end()
		return "", nil, fmt.Errorf("%w: %w", ErrBochsStart, err)
	}
	stop = func() {
		end()
		_ = cmd.Wait() // its exit status means nothing
	}
	defer context.AfterFunc(ctx, end)()
	started, watched := make(chan struct{}), make(chan error, 1)
	go func() {
		err := work.Watch(cmd.Process.Pid, startLimit, started)
		if err != nil {
			_ = cmd.Process.Kill() // it may already have ended
		}
		watched <- err
	}()
	line, err := bufio.NewReader(number).ReadString('\n')
	close(started)
	if hangs := <-watched; err != nil {
		stop()
		if hangs != nil {
			return "", nil, fmt.Errorf("%w: %s: %w", ErrBochsStart, xvfbProgram, hangs)
		}
		return "", nil, fmt.Errorf("%w: %s gave no display: %s", ErrBochsStart, xvfbProgram, strings.TrimSpace(said.String()))
	}
	return ":" + strings.TrimSpace(line), stop, nil
}

// isLog reports whether a line of Bochs's standard output, where its debugger
// talks too, is the kernel's.
func isLog(line []byte) bool { return bytes.HasPrefix(line, []byte(logPrefix)) }

// bochsChatter matches the lines of Bochs's standard error without information: what
// it does at start, at the levels of information and error, and rules.
var bochsChatter = regexp.MustCompile(`^(\d{11}[ied]|=====|Bochs is exiting|\s*$)`)

func isComplaint(line []byte) bool { return !bochsChatter.Match(line) }

// lineFilter passes on the lines that are to be kept. The last line may be
// unfinished; it is passed on once it is whole.
type lineFilter struct {
	to   io.Writer
	keep func(line []byte) bool
	rest []byte
}

func (f *lineFilter) Write(p []byte) (int, error) {
	f.rest = append(f.rest, p...)
	for {
		i := bytes.IndexByte(f.rest, '\n')
		if i < 0 {
			return len(p), nil
		}
		line := f.rest[:i+1]
		f.rest = f.rest[i+1:]
		if f.keep(line) {
			if _, err := f.to.Write(line); err != nil {
				return 0, err
			}
		}
	}
}

// bochsVersion returns Bochs's version, as in "2.7".
func bochsVersion(ctx context.Context) (string, error) {
	if err := findBochs(); err != nil {
		return "", err
	}
	program, _ := bochsProgram()
	cmd := exec.CommandContext(ctx, program, "--help")
	cmd.WaitDelay = outputDelay
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := work.Run(cmd, startLimit)
	if err != nil {
		return "", fmt.Errorf("%s --help: %w", program, err)
	}
	_, rest, ok := strings.Cut(out.String(), "Bochs x86 Emulator ")
	if !ok {
		return "", fmt.Errorf("%s --help does not say its version", program)
	}
	version, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(version), nil
}
