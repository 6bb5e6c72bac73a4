package replay

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
	"unsafe"

	"github.com/entrylab/entrylab/internal/host"
)

// A thread is pinned to one CPU of its kernel. If that kernel is a guest, a hypervisor may
// still move its virtual CPU from one physical CPU to another at any time. Then a sample
// reads the time-stamp counters of two CPUs, and contains the time of the move: it is
// dropped. Samples of one placement may come from several CPUs, as each sample is warmed up
// by itself, but all CPUs must be of one model.

// selectorCPU is the selector of the GDT entry whose limit is the CPU's number
// (Linux arch/x86/include/asm/segment.h, __CPUNODE_SEG).
//
//lint:ignore U1000 for the assembly
const selectorCPU = 0x7b

// moved reports whether the CPU changed during a sample.
func (c *userCall) moved() bool { return c.startAux != c.endAux || c.startLimit != c.endLimit }

// CPU is the CPU for which the figures hold.
type CPU struct {
	Model     string `json:"model"`
	Family    string `json:"family"` // family, model and stepping in decimal
	Microcode string `json:"microcode"`
}

func (c CPU) String() string {
	return fmt.Sprintf("%s (family/model/stepping %s, microcode %s)", c.Model, c.Family, c.Microcode)
}

// readCPU returns the CPU of this process, as Linux describes it.
func readCPU() (CPU, error) {
	cpus, err := host.CPUs(host.CPUInfo)
	if err != nil {
		return CPU{}, err
	}
	mask, err := affinity()
	if err != nil {
		return CPU{}, err
	}
	return oneCPU(cpus, mask.has)
}

// oneCPU returns the CPU that this process may use; all that it may use must be alike.
func oneCPU(cpus []host.CPU, mayUse func(int) bool) (CPU, error) {
	var found []CPU
	for _, cpu := range cpus {
		c := CPU{Model: cpu.Model, Family: cpu.Signature, Microcode: cpu.Microcode}
		if mayUse(cpu.Number) && !slices.Contains(found, c) {
			found = append(found, c)
		}
	}
	switch len(found) {
	case 0:
		return CPU{}, fmt.Errorf("this CPU is not known: %s lists none that this process may use", host.CPUInfo)
	case 1:
		return found[0], nil
	}
	return CPU{}, fmt.Errorf("this process may run on CPUs of two models, %v and %v: confine it to CPUs of one (taskset -c)", found[0], found[1])
}

// modelHere names the model of the CPU that this thread runs on, by CPUID:
// vendor, signature, kind of core in a hybrid one, and brand (SDM volume 2,
// CPUID, leaves 0, 1, 7, 1AH and 80000002H to 80000004H; AMD's manual, volume 3,
// appendix E).
func modelHere() string {
	leaves, b, c, d := host.CPUID(0, 0)
	name := host.Text(b, d, c)
	signature, _, _, _ := host.CPUID(1, 0)
	name += fmt.Sprintf(" %#x", signature)
	if leaves >= 0x1a {
		if _, _, _, d := host.CPUID(7, 0); d>>15&1 == 1 {
			core, _, _, _ := host.CPUID(0x1a, 0)
			name += fmt.Sprintf(" core type %#x", core>>24)
		}
	}
	if most, _, _, _ := host.CPUID(0x8000_0000, 0); most >= 0x8000_0004 {
		var brand []uint32
		for leaf := range uint32(3) {
			a, b, c, d := host.CPUID(0x8000_0002+leaf, 0)
			brand = append(brand, a, b, c, d)
		}
		name += " " + host.Text(brand...)
	}
	return name
}

// cpuMask is a set of CPUs as sched_setaffinity takes it.
type cpuMask [128]uint64

func (m *cpuMask) has(cpu int) bool { return 0 <= cpu && cpu < 64*len(m) && m[cpu/64]>>(cpu%64)&1 == 1 }

// affinity returns the CPUs that this thread may use.
func affinity() (*cpuMask, error) {
	var mask cpuMask
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_GETAFFINITY, 0, unsafe.Sizeof(mask), uintptr(unsafe.Pointer(&mask))); errno != 0 {
		return nil, fmt.Errorf("sched_getaffinity: %w", errno)
	}
	return &mask, nil
}

// pin keeps this thread on the last of the CPUs that it may use: the first one gets most
// of a machine's interrupts.
func pin() error {
	may, err := affinity()
	if err != nil {
		return err
	}
	for cpu := 64*len(may) - 1; cpu >= 0; cpu-- {
		if !may.has(cpu) {
			continue
		}
		var mask cpuMask
		mask[cpu/64] = 1 << (cpu % 64)
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, 0, unsafe.Sizeof(mask), uintptr(unsafe.Pointer(&mask))); errno != 0 {
			return fmt.Errorf("sched_setaffinity to CPU %d: %w", cpu, errno)
		}
		return nil
	}
	return errors.New("sched_getaffinity names no CPU")
}
