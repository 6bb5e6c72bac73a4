package vm

import (
	"bufio"
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPin talks to a stand-in for QEMU: the thread that it names as its CPU's must be on
// the CPU before the machine runs.
func TestPin(t *testing.T) {
	const greeting, done = `{"QMP": {"version": {}, "capabilities": []}}`, `{"return": {}}`
	event := `{"event": "RESUME", "timestamp": {"seconds": 1, "microseconds": 2}}`
	for _, tt := range []struct {
		name    string
		answers []string // THREAD is that of the CPU
		cpu     int      // besides the one that there is; 0: it
		want    string   // of the error
	}{
		{name: "pinned", answers: []string{greeting, done, `{"return": [{"cpu-index": 0, "thread-id": THREAD}]}`, event + done}},
		{name: "no such CPU", cpu: 1023, answers: []string{greeting, done, `{"return": [{"thread-id": THREAD}]}`}, want: "cannot be kept on CPU 1023: sched_setaffinity: invalid argument"},
		{name: "no such thread", answers: []string{greeting, done, `{"return": [{"thread-id": 2147483647}]}`}, want: "no such process"},
		{name: "two CPUs", answers: []string{greeting, done, `{"return": [{"thread-id": THREAD}, {"thread-id": THREAD}]}`}, want: "QEMU tells of 2 CPUs, want 1"},
		{name: "refused", answers: []string{greeting, done, `{"error": {"class": "CommandNotFound", "desc": "no such command"}}`}, want: "QEMU refuses query-cpus-fast: no such command"},
		{name: "gone", answers: []string{greeting}, want: "QEMU's machine protocol, qmp_capabilities: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cpu, err := PinCPU()
			if err != nil {
				t.Fatal(err)
			}
			if tt.cpu != 0 {
				cpu = tt.cpu
			}
			ours, qemus, err := socketPair("monitor")
			if err != nil {
				t.Fatal(err)
			}
			defer ours.Close()
			thread := make(chan int)
			ended := make(chan struct{})
			asked := make(chan []string, 1)
			go func() { // the CPU
				runtime.LockOSThread() // and never unlock it: the thread ends with the goroutine
				thread <- unix.Gettid()
				<-ended
			}()
			tid := <-thread
			go func() {
				defer qemus.Close()
				var commands []string
				in := bufio.NewReader(qemus)
				for i, answer := range tt.answers {
					if i > 0 {
						command, _ := in.ReadString('\n')
						commands = append(commands, strings.TrimSpace(command))
					}
					fmt.Fprintln(qemus, strings.ReplaceAll(answer, "THREAD", fmt.Sprint(tid)))
				}
				asked <- commands
			}()
			err = pin(ours, cpu)
			var set unix.CPUSet
			if got := unix.SchedGetaffinity(tid, &set); got != nil {
				t.Fatal(got)
			}
			close(ended)
			commands := <-asked
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want %q", err, tt.want)
				}
				return
			}
			if err != nil || set.Count() != 1 || !set.IsSet(cpu) || len(commands) != 3 || commands[2] != `{"execute": "cont"}` {
				t.Errorf("asked %q, the thread may use %d CPUs (%v)", commands, set.Count(), err)
			}
		})
	}
}

// TestRunPinned: of the threads of a machine's QEMU that one alone is on one CPU which runs
// the guest.
func TestRunPinned(t *testing.T) {
	t.Parallel()
	cpu, err := PinCPU()
	if err != nil {
		t.Fatal(err)
	}
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	if all.Count() == 1 {
		return // every thread keeps to it
	}
	name, pinned := "pinned-"+filepath.Base(t.TempDir()), -1
	look := sync.OnceFunc(func() {
		pinned = 0
		for _, pid := range processes(t, name) {
			threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid)) // none if it has ended
			for _, thread := range threads {
				tid, _ := strconv.Atoi(filepath.Base(thread))
				var set unix.CPUSet
				if unix.SchedGetaffinity(tid, &set) == nil && set.Count() == 1 && set.IsSet(cpu) {
					pinned++
				}
			}
		}
	})
	got, err := Run(t.Context(), Config{
		Engine: TCG, Kernel: scriptKernel(t), Append: "c " + strings.Repeat("alive|", 20_000) + ";" + exits, HostCPU: &cpu, Extra: []string{"-name", name},
		Console: writerFunc(func(p []byte) (int, error) { look(); return len(p), nil }),
	})
	if err != nil || got.Outcome != Exited || pinned != 1 {
		t.Errorf("%d threads are pinned, want 1; error %v\n%s", pinned, err, got.Report())
	}
}
