// Package work measures how much a program has worked, not how long it took. A limit on
// work does not depend on a wall clock: a host that is busy or slow, or whose hypervisor
// gives the CPU to others, delays a program but does not end it.
package work

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Turn is the time between two looks at a program.
const Turn = 100 * time.Millisecond

// Meter adds up what a program does, by looking at it every Turn.
type Meter struct {
	// Work is the CPU time that it has used, as time on a CPU of Speed 1.
	Work time.Duration
	// Asleep is how long it was asleep.
	Asleep time.Duration

	cpu time.Duration
}

// Look adds what the process and its descendants have done since the last look.
func (m *Meter) Look(pid int) error {
	s, err := Of(pid)
	if err != nil {
		return err
	}
	m.Work += time.Duration(float64(max(s.CPU-m.cpu, 0)) * Speed())
	m.cpu = s.CPU
	if s.Asleep {
		m.Asleep += Turn
	}
	return nil
}

// ErrHangs means that a program was ended because it did not end by itself.
var ErrHangs = errors.New("it hangs")

// Watch looks at a process until done is closed. When the process has worked or slept
// longer than the limit, Watch returns an error that wraps ErrHangs.
func Watch(pid int, limit time.Duration, done <-chan struct{}) error {
	var m Meter
	for {
		select {
		case <-done:
			return nil
		case <-time.After(Turn):
		}
		if err := m.Look(pid); err != nil {
			return err
		}
		switch {
		case m.Work > limit:
			return fmt.Errorf("%w: no end after %v of work", ErrHangs, limit)
		case m.Asleep > limit:
			return fmt.Errorf("%w: no end although it was idle for %v", ErrHangs, limit)
		}
	}
}

// Run runs a program as cmd.Run does, but kills one that has worked or slept longer than
// the limit; the error then wraps ErrHangs.
func Run(cmd *exec.Cmd, limit time.Duration) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	done, watched := make(chan struct{}), make(chan error, 1)
	go func() {
		err := Watch(cmd.Process.Pid, limit, done)
		if err != nil {
			_ = cmd.Process.Kill() // an error if it has ended in the meantime
		}
		watched <- err
	}()
	err := cmd.Wait()
	close(done)
	if hangs := <-watched; hangs != nil {
		return fmt.Errorf("%s: %w", cmd.Args[0], hangs)
	}
	return err
}

// After works like time.After, but for waiting until this host has done something. It
// counts turns, so that a time in which this process had no CPU counts as one turn.
func After(d time.Duration) <-chan struct{} { return AfterExit(0, d) }

// AfterExit works like After, counted from the end of a process.
func AfterExit(pid int, d time.Duration) <-chan struct{} {
	const turn = 20 * time.Millisecond
	done := make(chan struct{})
	go func() {
		defer close(done)
		process := filepath.Join("/proc", strconv.Itoa(pid))
		for ended := time.Duration(0); ended < d; {
			time.Sleep(turn)
			if stat, err := readStat(process); err != nil || stat.state == 'Z' || stat.state == 'X' {
				ended += turn
			}
		}
	}()
	return done
}

// Sample says what a process and its descendants have done so far.
type Sample struct {
	// CPU is the CPU time that they have used.
	CPU time.Duration
	// Asleep is set if all their threads wait for something to happen. A thread that waits
	// for a CPU or a disk, or that SIGSTOP has stopped, is not asleep.
	Asleep bool
}

// tick is the unit of CPU times in /proc (proc(5), USER_HZ).
const tick = 10 * time.Millisecond

// Of looks at the process and its descendants. A process that has ended counts as asleep,
// and as having done nothing.
func Of(pid int) (Sample, error) {
	s := Sample{Asleep: true}
	process := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := readStat(process)
	if err != nil {
		return s, gone(err)
	}
	s.CPU = stat.cpu
	threads, err := os.ReadDir(filepath.Join(process, "task"))
	if err != nil {
		return s, gone(err)
	}
	for _, t := range threads {
		thread := filepath.Join(process, "task", t.Name())
		stat, err := readStat(thread)
		if gone(err) != nil {
			return s, err
		}
		s.Asleep = s.Asleep && (err != nil || bytes.IndexByte([]byte("SIZX"), stat.state) >= 0)
		children, err := Children(thread)
		if gone(err) != nil {
			return s, err
		}
		for _, child := range children {
			more, err := Of(child)
			if err != nil {
				return s, err
			}
			s.CPU += more.CPU
			s.Asleep = s.Asleep && more.Asleep
		}
	}
	return s, nil
}

// gone returns nil if err says that a process or thread has ended, otherwise err.
func gone(err error) error {
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

// stat is a part of /proc/PID/stat.
type stat struct {
	state byte
	cpu   time.Duration // with the CPU time of the children that it has waited for
}

func readStat(dir string) (stat, error) {
	text, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return stat{}, err
	}
	// Behind the name, which may hold anything, are the state, the third field, and four
	// times from the 14th field on.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 15 {
		return stat{}, fmt.Errorf("%s/stat holds %q", dir, text)
	}
	s := stat{state: fields[0][0]}
	for _, field := range fields[11:15] {
		ticks, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return stat{}, fmt.Errorf("%s/stat: %w", dir, err)
		}
		s.cpu += time.Duration(ticks) * tick
	}
	return s, nil
}

// Children returns the processes that a thread has started and not waited for. The thread
// is a folder of /proc; this thread is /proc/thread-self.
func Children(thread string) ([]int, error) {
	text, err := os.ReadFile(filepath.Join(thread, "children"))
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, field := range bytes.Fields(text) {
		pid, err := strconv.Atoi(string(field))
		if err != nil {
			return nil, fmt.Errorf("%s/children: %w", thread, err)
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

const (
	// steps is how many Speed times: 1 ms.
	steps = 100_000
	// reference is how many steps a CPU of Speed 1 runs in a second.
	reference = 100e6
	// speedAge is how long a measured speed is used.
	speedAge = time.Second
)

var speed struct {
	sync.Mutex
	at    time.Time
	value float64
	sink  uint64
}

// Speed returns how much a second of CPU time is worth now, as a multiple of its worth on a
// CPU of about 3 GHz. A hypervisor that secretly takes the CPU away, a sibling thread and a
// low clock frequency make it less.
func Speed() float64 {
	speed.Lock()
	defer speed.Unlock()
	if speed.value != 0 && time.Since(speed.at) < speedAge {
		return speed.value
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	start := threadTime()
	x := uint64(1)
	for range steps {
		x = operations[x>>62](x)
	}
	speed.sink += x
	if took := threadTime() - start; took > 0 {
		speed.value = steps / took.Seconds() / reference
	}
	speed.at = time.Now()
	return speed.value
}

// operations are what Speed runs, in an order that no CPU can predict, as an emulator runs
// a guest's instructions.
var operations = [4]func(uint64) uint64{
	func(x uint64) uint64 { return x*6364136223846793005 + 1442695040888963407 },
	func(x uint64) uint64 { return (x^x>>31)*0x9e3779b97f4a7c15 + 1 },
	func(x uint64) uint64 { return (x^x>>29)*0xbf58476d1ce4e5b9 + 2 },
	func(x uint64) uint64 { return (x^x>>27)*0x94d049bb133111eb + 3 },
}

// threadTime returns the CPU time of this thread.
func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic(err) // Linux has it since 2.6.12
	}
	return time.Duration(t.Nano())
}
