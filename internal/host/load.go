package host

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Load is what one CPU and all processes have done since they began.
type Load struct {
	// Busy is the CPU's time in programs, the kernel and interrupts; Stolen is what the
	// hypervisor gave to other machines.
	Busy, Stolen time.Duration
	// Processes are the CPU times of processes by their ID.
	Processes map[int]Process
}

// Process is a process and its CPU time.
type Process struct {
	Name string
	Used time.Duration
}

// tick is the unit of times in /proc (proc(5): USER_HZ, which x86 has at 100).
const tick = time.Second / 100

// mostProcesses bounds how many processes are looked at.
const mostProcesses = 100_000

// LoadOf reads the load of a CPU by the file system at proc.
func LoadOf(proc string, cpu int) (Load, error) {
	l := Load{Processes: map[int]Process{}}
	text, err := os.ReadFile(filepath.Join(proc, "stat"))
	if err != nil {
		return l, err
	}
	// proc(5), /proc/stat: user nice system idle iowait irq softirq steal guest guest_nice,
	// where guest is a part of user.
	begin := fmt.Sprintf("cpu%d ", cpu)
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, begin) {
			continue
		}
		times, err := ticks(strings.Fields(line)[1:])
		if err != nil || len(times) < 8 {
			return l, fmt.Errorf("%s/stat: %q: want 8 times or more", proc, strings.TrimSpace(line))
		}
		l.Busy = times[0] + times[1] + times[2] + times[5] + times[6]
		l.Stolen = times[7]
		return l, l.processes(proc)
	}
	return l, fmt.Errorf("%s/stat has no CPU %d", proc, cpu)
}

func ticks(fields []string) (times []time.Duration, err error) {
	for _, f := range fields {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%q is no time", f)
		}
		times = append(times, time.Duration(n)*tick)
	}
	return times, nil
}

// processes reads the processes' times. One that ends meanwhile is left out.
func (l *Load) processes(proc string) error {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return err
	}
	for _, e := range entries {
		id, err := strconv.Atoi(e.Name())
		if err != nil || len(l.Processes) == mostProcesses {
			continue
		}
		text, err := os.ReadFile(filepath.Join(proc, e.Name(), "stat"))
		if err != nil {
			continue // it has ended
		}
		// 42 (name, which may have spaces and brackets) S …; utime and stime are the fields
		// 14 and 15.
		begin, end := strings.IndexByte(string(text), '('), strings.LastIndexByte(string(text), ')')
		if begin < 0 || end < begin {
			return fmt.Errorf("%s/%d/stat is %q", proc, id, text)
		}
		fields := strings.Fields(string(text[end+1:]))
		if len(fields) < 13 {
			return fmt.Errorf("%s/%d/stat is %q", proc, id, text)
		}
		times, err := ticks(fields[11:13])
		if err != nil {
			return fmt.Errorf("%s/%d/stat: %w", proc, id, err)
		}
		l.Processes[id] = Process{string(text[begin+1 : end]), times[0] + times[1]}
	}
	return nil
}

// Since returns what was done after an earlier load, the processes that used most first:
// those that were there before, but not the one with the ID own.
func (l Load) Since(before Load, own int) (busy, stolen time.Duration, processes []Process) {
	for id, p := range l.Processes {
		old, ok := before.Processes[id]
		if used := p.Used - old.Used; ok && id != own && used > 0 {
			processes = append(processes, Process{p.Name, used})
		}
	}
	slices.SortFunc(processes, func(a, b Process) int {
		if a.Used != b.Used {
			return int(b.Used - a.Used)
		}
		return strings.Compare(a.Name, b.Name)
	})
	return l.Busy - before.Busy, l.Stolen - before.Stolen, processes
}

// BuildID returns the identity of the running kernel's build in hexadecimal, by the file
// system at sys: the GNU build ID among the notes of the kernel (ld(1), --build-id); empty
// if it has none.
func BuildID(sys string) string {
	data, err := os.ReadFile(filepath.Join(sys, "kernel/notes"))
	if err != nil {
		return ""
	}
	return buildID(data)
}

// noteBuildID is the type of the note with the build ID (NT_GNU_BUILD_ID).
const noteBuildID = 3

// buildID finds the note among others.
func buildID(data []byte) string {
	long := func(at int) int { return int(binary.LittleEndian.Uint32(data[at:])) }
	for len(data) >= 12 {
		name, desc := long(0), long(4)
		at := 12 + (name+3)&^3
		end := at + (desc+3)&^3
		if end > len(data) {
			return ""
		}
		if long(8) == noteBuildID && string(data[12:12+name]) == "GNU\x00" {
			return hex.EncodeToString(data[at : at+desc])
		}
		data = data[end:]
	}
	return ""
}

// BootID returns a number that tells this boot of the machine from others, by the file
// system at proc: the first 32 bits of random(4)'s boot_id.
func BootID(proc string) (uint32, error) {
	path := filepath.Join(proc, "sys/kernel/random/boot_id")
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(text), "-")
	n, err := strconv.ParseUint(first, 16, 32)
	if err != nil {
		return 0, fmt.Errorf("%s is %q: want 8 digits and a dash first", path, text)
	}
	return uint32(n), nil
}

// Words returns the words that the running kernel was booted with, without those that are
// for init, by the file system at proc; none if it does not tell.
func Words(proc string) []string {
	text, err := os.ReadFile(filepath.Join(proc, "cmdline"))
	if err != nil {
		return nil
	}
	line, _, _ := strings.Cut(string(text), " -- ")
	return strings.Fields(line)
}
