package vmtests

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// clockConfig has testdata/c/clock.c as init.
func clockConfig(t *testing.T, m vm.Config) boot.Config {
	t.Helper()
	m.Append = layout.ControlWord
	var s layout.Stats[layout.Word]
	var args []string
	for _, n := range []uintptr{layout.SysStats, unsafe.Offsetof(s.TSCHz) / 8, unsafe.Offsetof(s.TSCSource) / 8, unsafe.Offsetof(s.TimerMult) / 8} {
		args = append(args, strconv.Itoa(int(n)))
	}
	return boot.Config{Variants: []stubs.Variant{linux319(t)}, Init: cProgram(t, "clock"), Args: args, VM: m}
}

// clock is what clock.c prints.
type clock struct {
	hz      float64 // of the TSC
	source  layout.TSCSource
	timerHz float64 // of the local APIC's timer
}

func clockOf(t *testing.T, res vm.Result, console string) clock {
	t.Helper()
	var c clock
	var mult float64
	if _, err := fmt.Sscanf(console, "%g %d %g\n", &c.hz, &c.source, &mult); err != nil || res.Outcome != vm.Exited || res.Status != 0 {
		t.Fatalf("console %q\n%s", console, res.Report())
	}
	c.timerHz = mult / (1 << 32) * 1e9
	return c
}

const (
	// instructionsPerSecond is the TSC's rate where it counts instructions.
	instructionsPerSecond = 1e9
	// apicHz is the rate of the local APIC's timer in QEMU.
	apicHz = 1e9
)

// right reports whether a rate is within 0.1 % of the true one.
func right(hz, truth float64) bool { return hz > 0.999*truth && hz < 1.001*truth }

// TestClockSources takes from machines what the kernel can tell the time by, one
// after the other.
func TestClockSources(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		machine vm.Machine
		extra   []string
		source  layout.TSCSource
	}{
		{"microvm", vm.MicroVM, nil, layout.TSCByPIT},
		{"pc", vm.PC, nil, layout.TSCByPIT},
		{"q35", vm.Q35, nil, layout.TSCByPIT},
		{"pc without HPET", vm.PC, []string{"-machine", "hpet=off"}, layout.TSCByPIT},
		{"pc without PIT", vm.PC, []string{"-machine", "pit=off"}, layout.TSCByHPET},
		{"q35 without PIT", vm.Q35, []string{"-machine", "pit=off"}, layout.TSCByHPET},
		{"pc without both", vm.PC, []string{"-machine", "pit=off,hpet=off"}, layout.TSCByPMTimer},
		{"q35 without both", vm.Q35, []string{"-machine", "pit=off,hpet=off"}, layout.TSCByPMTimer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := machine(t, vm.ICount)
			m.Machine, m.Extra = tt.machine, tt.extra
			res, console := bootInit(t, clockConfig(t, m))
			c := clockOf(t, res, console)
			t.Logf("%+v", c)
			if c.source != tt.source || !right(c.hz, instructionsPerSecond) || !right(c.timerHz, apicHz) {
				t.Errorf("%+v, want %g Hz by %d, timer %g Hz", c, instructionsPerSecond, tt.source, apicHz)
			}
		})
	}
}

// TestClockInBochs: that one's clock counts instructions too.
func TestClockInBochs(t *testing.T) {
	t.Parallel()
	res, console := bootInit(t, clockConfig(t, needBochs(t)))
	c := clockOf(t, res, console)
	t.Logf("%+v", c)
	if c.source != layout.TSCByPIT || !right(c.hz, instructionsPerSecond) {
		t.Errorf("%+v, want %g Hz by %d", c, instructionsPerSecond, layout.TSCByPIT)
	}
}

// leaf is what a CPU or hypervisor answers to CPUID.
type leaf struct{ eax, ebx, ecx, edx uint32 }

// signed returns the first leaf of a hypervisor with the highest that it has.
func signed(highest uint32, signature string) leaf {
	b := append([]byte(signature), 0, 0, 0)
	return leaf{highest, binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])}
}

// fakeCPUID adds a function to the kernel that answers in CPUID's place, with
// zeros where there is no leaf. As KVM would when it is asked for its clock and for
// what time it took for others, it fills in pvclock's words of factor and shift, and
// the latter.
func fakeCPUID(leaves map[uint32]leaf, factor uint32, shift int8) func(*asm.Program) error {
	return func(p *asm.Program) error {
		body := asm.Block{
			asm.MOVQ(uint64(factor)|uint64(uint8(shift))<<32, asm.RBX),
			asm.MOVQ(asm.RBX, asm.Fields[layout.PVClock[asm.Mem]](asm.Sym("pvclock")).ScaleFlags),
			asm.MOVQ(fakeSteal, asm.Fields[layout.KVMSteal[asm.Mem]](asm.Sym("kvm_steal")).Steal),
		}
		for _, n := range slices.Sorted(maps.Keys(leaves)) {
			l := leaves[n]
			body = append(body,
				asm.CMPL(asm.RAX, n),
				asm.IF(asm.E, asm.MOVL(l.eax, asm.RAX), asm.MOVL(l.ebx, asm.RBX), asm.MOVL(l.ecx, asm.RCX), asm.MOVL(l.edx, asm.RDX), asm.RET()),
			)
		}
		body = append(body, asm.XORL(asm.RAX, asm.RAX), asm.XORL(asm.RBX, asm.RBX), asm.XORL(asm.RCX, asm.RCX), asm.XORL(asm.RDX, asm.RDX), asm.RET())
		p.Funcs = append(p.Funcs, asm.FUNC("fake_cpuid", "fake_cpuid answers in CPUID's place.", body...))
		return nil
	}
}

// fakeSteal is the time in ns that fakeCPUID's hypervisor took for others.
const fakeSteal = 12345

// TestClockTold gives the kernel CPUs and hypervisors that tell the TSC's rate,
// or seem to.
func TestClockTold(t *testing.T) {
	t.Parallel()
	hypervisor := leaf{ecx: 1 << 31}
	const kvm, vmware, hyperV = "KVMKVMKVM", "VMwareVMware", "Microsoft Hv"
	for _, tt := range []struct {
		name   string
		leaves map[uint32]leaf
		factor uint32 // of KVM's clock
		shift  int8
		hz     float64
		source layout.TSCSource
	}{
		{name: "nothing", hz: instructionsPerSecond, source: layout.TSCByPIT},
		{name: "leaf 15H", leaves: map[uint32]leaf{0: {eax: 0x16}, 0x15: {2, 200, 24_000_000, 0}, 0x16: {eax: 2300}}, hz: 2.4e9, source: layout.TSCByCPUID},
		{name: "leaf 15H without a crystal", leaves: map[uint32]leaf{0: {eax: 0x16}, 0x15: {2, 334, 0, 0}, 0x16: {eax: 4000}}, hz: 4.008e9, source: layout.TSCByCPUID},
		{name: "a Xeon's", leaves: map[uint32]leaf{0: {eax: 0x16}, 0x15: {2, 168, 0, 0}, 0x16: {eax: 2100}}, hz: 2.1e9, source: layout.TSCByCPUID},
		{name: "no crystal fits", leaves: map[uint32]leaf{0: {eax: 0x16}, 0x15: {2, 334, 0, 0}, 0x16: {eax: 3000}}, hz: instructionsPerSecond, source: layout.TSCByPIT},
		{name: "neither crystal nor leaf 16H", leaves: map[uint32]leaf{0: {eax: 0x15}, 0x15: {2, 334, 0, 0}, 0x16: {eax: 4000}}, hz: instructionsPerSecond, source: layout.TSCByPIT},
		{name: "no ratio", leaves: map[uint32]leaf{0: {eax: 0x16}, 0x15: {0, 200, 24_000_000, 0}, 0x16: {eax: 2400}}, hz: instructionsPerSecond, source: layout.TSCByPIT},
		{name: "leaf 15H beyond the highest", leaves: map[uint32]leaf{0: {eax: 0xd}, 0x15: {2, 200, 24_000_000, 0}}, hz: instructionsPerSecond, source: layout.TSCByPIT},
		{
			name:   "KVM's timing leaf",
			leaves: map[uint32]leaf{1: hypervisor, 0x4000_0000: signed(0x4000_0010, kvm), 0x4000_0010: {eax: 2_600_000}}, hz: 2.6e9, source: layout.TSCByHypervisor,
		},
		{
			name:   "VMware's timing leaf",
			leaves: map[uint32]leaf{1: hypervisor, 0x4000_0000: signed(0x4000_0010, vmware), 0x4000_0010: {eax: 2_600_000}}, hz: 2.6e9, source: layout.TSCByHypervisor,
		},
		{
			name:   "that leaf of another hypervisor",
			leaves: map[uint32]leaf{1: hypervisor, 0x4000_0000: signed(0x4000_0010, hyperV), 0x4000_0010: {eax: 2_600_000}}, hz: instructionsPerSecond, source: layout.TSCByPIT,
		},
		{
			name:   "no hypervisor",
			leaves: map[uint32]leaf{1: {}, 0x4000_0000: signed(0x4000_0010, kvm), 0x4000_0010: {eax: 2_600_000}}, hz: instructionsPerSecond, source: layout.TSCByPIT,
		},
		{
			name:   "an empty timing leaf",
			leaves: map[uint32]leaf{1: hypervisor, 0x4000_0000: signed(0x4000_0010, kvm)}, hz: instructionsPerSecond, source: layout.TSCByPIT,
		},
		{
			name:   "kvmclock",
			leaves: map[uint32]leaf{1: hypervisor, 0x4000_0000: signed(0x4000_0001, kvm), 0x4000_0001: {eax: 1 << 3}}, factor: 1e9 << 32 / 2_100_000_000, hz: 2.1e9, source: layout.TSCByKVMClock,
		},
		{
			name:   "kvmclock with a shift to the right",
			leaves: map[uint32]leaf{1: hypervisor, 0x4000_0000: signed(0x4000_0001, kvm), 0x4000_0001: {eax: 1 << 3}}, factor: 1e9 << 33 / 3_000_000_000, shift: -1, hz: 3e9, source: layout.TSCByKVMClock,
		},
		{
			name:   "kvmclock with a shift to the left",
			leaves: map[uint32]leaf{1: hypervisor, 0x4000_0000: signed(0x4000_0001, kvm), 0x4000_0001: {eax: 1 << 3}}, factor: 1e9 << 31 / 600_000_000, shift: 1, hz: 6e8, source: layout.TSCByKVMClock,
		},
		{
			name:   "kvmclock of old",
			leaves: map[uint32]leaf{1: hypervisor, 0x4000_0000: signed(0, kvm), 0x4000_0001: {eax: 1}}, factor: 1e9 << 32 / 2_100_000_000, hz: 2.1e9, source: layout.TSCByKVMClock,
		},
		{
			name: "kvmclock behind another hypervisor's leaves",
			leaves: map[uint32]leaf{
				1: hypervisor, 0x4000_0000: signed(0x4000_0010, hyperV), 0x4000_0100: signed(0x4000_0101, kvm), 0x4000_0101: {eax: 1 << 3},
			}, factor: 1e9 << 32 / 2_100_000_000, hz: 2.1e9, source: layout.TSCByKVMClock,
		},
		{
			name:   "kvmclock not offered",
			leaves: map[uint32]leaf{1: hypervisor, 0x4000_0000: signed(0x4000_0001, kvm), 0x4000_0001: {eax: 1 << 1}}, factor: 1e9 << 32 / 2_100_000_000, hz: instructionsPerSecond, source: layout.TSCByPIT,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			config := clockConfig(t, machine(t, vm.ICount))
			config.Variants[0].Edit = fakeCPUID(tt.leaves, tt.factor, tt.shift)
			prepared, err := boot.Prepare(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			prepared.Kernel = replaced(t, prepared.Kernel, "cpuid", "fake_cpuid")
			res, console := bootMachine(t, prepared)
			if c := clockOf(t, res, console); c.source != tt.source || !right(c.hz, tt.hz) {
				t.Errorf("%+v, want %g Hz by %d", c, tt.hz, tt.source)
			}
		})
	}
}

// TestNoClock boots a machine that has no way to tell the time.
func TestNoClock(t *testing.T) {
	t.Parallel()
	m := machine(t, vm.ICount)
	m.Extra = []string{"-machine", "pit=off"}
	res, console := bootInit(t, clockConfig(t, m))
	const want = "cannot boot: neither CPUID nor a hypervisor gives the TSC's rate, and no PIT, HPET or ACPI timer counts evenly: there is no way to tell the time"
	if res.Outcome != vm.Refused || res.Reason != want || console != "" {
		t.Errorf("%v: %s, want %s", res.Outcome, res.Reason, want)
	}
}

// inWindow is the line that a kernel with "stolen" in it writes in the middle of a
// calibration.
const inWindow = "entrylab: in a window"

// stolen adds a function to the kernel that waits in the from-th to the to-th
// call on behalf of a counter until the machine has been stopped: until the TSC
// has gone on by far more between two readings than it does otherwise.
func stolen(counter string, from, to int) func(*asm.Program) error {
	calls := asm.Sym("stolen_calls")
	return func(p *asm.Program) error {
		p.Data = append(p.Data, asm.BSS("stolen_calls", 8, 8))
		p.Funcs = append(p.Funcs, asm.FUNC("stolen", "stolen is called in a window of calibrate with its registers.",
			asm.LEAQ(asm.Sym(counter), asm.RAX),
			asm.CMPQ(asm.RAX, asm.RBX),
			asm.JNE("done"),
			asm.INCQ(calls),
			asm.CMPQ(calls, from),
			asm.JB("done"),
			asm.CMPQ(calls, to),
			asm.JA("done"),
			asm.LEAQ(asm.Str(inWindow+"\n"), asm.RDI),
			asm.CALL("printk"),
			asm.XORL(asm.RDI, asm.RDI), // the reading before
			asm.DO(
				asm.RDTSC(),
				asm.SHLQ(32, asm.RDX),
				asm.ORQ(asm.RDX, asm.RAX),
				asm.MOVQ(asm.RAX, asm.RCX),
				asm.SUBQ(asm.RDI, asm.RCX),
				asm.TESTQ(asm.RDI, asm.RDI),
				asm.IF(asm.E, asm.XORL(asm.RCX, asm.RCX)),
				asm.MOVQ(asm.RAX, asm.RDI),
				asm.CMPQ(asm.RCX, 50_000_000),
			).WHILE(asm.B),
			asm.LABEL("done"),
			asm.MOVL(1<<15, asm.RCX),
			asm.RET(),
		))
		return nil
	}
}

// thief stops the machine for 100 ms when it says that it is in a window, and for longer
// each time: three windows that are spoiled alike would agree with each other.
type thief struct {
	pidFile string
	rest    []byte
	thefts  int
}

func (w *thief) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		line, rest, ok := bytes.Cut(w.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		w.rest = rest
		if string(line) != inWindow {
			continue
		}
		text, err := os.ReadFile(w.pidFile)
		if err != nil {
			return 0, err
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			return 0, err
		}
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			return 0, err
		}
		time.Sleep(time.Duration(100+7*w.thefts) * time.Millisecond)
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
			return 0, err
		}
		w.thefts++
	}
}

// TestClockStolen stops QEMU for 100 ms or more in the middle of a window: the rates are
// right all the same. A kernel that believes a single window, as one did, shows
// that the theft is one.
func TestClockStolen(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), cProgram(t, "tschz")).Output()
	if err != nil {
		t.Fatal(err)
	}
	truth, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the host's TSC: %.0f Hz", truth)
	for _, tt := range []struct {
		name     string
		machine  vm.Machine
		without  string // what the machine does not have
		counter  string
		source   layout.TSCSource
		from, to int
		single   bool // one window is enough
	}{
		{"PIT, the first window", vm.MicroVM, "", "pit", layout.TSCByPIT, 1, 1, false},
		{"PIT, later", vm.MicroVM, "", "pit", layout.TSCByPIT, 5, 5, false},
		{"PIT, many times", vm.PC, "", "pit", layout.TSCByPIT, 1, 6, false},
		{"PIT, a single window", vm.MicroVM, "", "pit", layout.TSCByPIT, 1, 1, true},
		{"HPET", vm.Q35, "pit=off", "hpet", layout.TSCByHPET, 1, 1, false},
		{"ACPI timer", vm.PC, "pit=off,hpet=off", "pm_timer", layout.TSCByPMTimer, 1, 1, false},
		{"APIC timer", vm.MicroVM, "", "apic_timer", layout.TSCByPIT, 1, 2, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := machine(t, vm.TCG)
			w := &thief{pidFile: filepath.Join(t.TempDir(), "pid")}
			m.Machine, m.Log, m.Extra = tt.machine, w, []string{"-pidfile", w.pidFile}
			if tt.without != "" {
				m.Extra = append(m.Extra, "-machine", tt.without)
			}
			config := clockConfig(t, m)
			config.Variants[0].Edit = stolen(tt.counter, tt.from, tt.to)
			prepared, err := boot.Prepare(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			// MOVL $1<<15, RCX: the rounds between two readings.
			prepared.Kernel = patchedCall(t, prepared.Kernel, "calibration_window", "b900800000", "stolen")
			if tt.single { // CMPL R9, $3
				prepared.Kernel = patched(t, prepared.Kernel, "calibrate", "4183f903", "4183f901")
			}
			res, console := bootMachine(t, prepared)
			if tt.single && strings.Contains(res.Reason+res.Report(), "counts evenly") {
				return // the window was so wrong that even this kernel does not believe it
			}
			c := clockOf(t, res, console)
			t.Logf("%+v", c)
			if want := tt.to - tt.from + 1; w.thefts != want {
				t.Errorf("stopped %d times, want %d", w.thefts, want)
			}
			if c.source != tt.source || !right(c.timerHz, apicHz) && !tt.single {
				t.Errorf("%+v, want it by %d, timer %g Hz", c, tt.source, apicHz)
			}
			if right(c.hz, truth) == tt.single {
				t.Errorf("%.0f Hz, want %.0f Hz: %v", c.hz, truth, !tt.single)
			}
		})
	}
}

// patchedCall works like patched, but puts a CALL of the function target, as many bytes as
// old, in its place.
func patchedCall(t *testing.T, kernel, function, old, target string) string {
	t.Helper()
	k := readKernel(t, kernel)
	at := strings.Index(hex.EncodeToString(k.code(t, function)), old)
	if at < 0 {
		t.Fatalf("%s has no %s", function, old)
	}
	end := k.symbol(t, function).Value + uint64(at+len(old))/2
	return patched(t, kernel, function, old, "e8"+k.distance(t, end, target))
}

// replaced returns the path of a copy of the kernel in which a function, however short, is
// a JMP to another.
func replaced(t *testing.T, kernel, function, target string) string {
	t.Helper()
	k := readKernel(t, kernel)
	const size = 5
	start := k.symbol(t, function).Value
	for _, s := range k.symbols {
		if s.Value > start && s.Value < start+size {
			t.Fatalf("%s has no room for a JMP: %s follows", function, s.Name)
		}
	}
	jump, err := hex.DecodeString("e9" + k.distance(t, start+size, target))
	if err != nil {
		t.Fatal(err)
	}
	copy(k.image[k.offset(t, function):], jump)
	path := filepath.Join(t.TempDir(), "kernel.elf")
	if err := os.WriteFile(path, k.image, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// kernelFile is a kernel as a file.
type kernelFile struct {
	image   []byte
	file    *elf.File
	symbols []elf.Symbol
}

func readKernel(t *testing.T, path string) *kernelFile {
	t.Helper()
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	return &kernelFile{image, f, symbols}
}

func (k *kernelFile) symbol(t *testing.T, name string) elf.Symbol {
	t.Helper()
	i := slices.IndexFunc(k.symbols, func(s elf.Symbol) bool { return s.Name == name })
	if i < 0 {
		t.Fatalf("the kernel has no %s", name)
	}
	return k.symbols[i]
}

// offset returns where a function's code begins in the file.
func (k *kernelFile) offset(t *testing.T, name string) uint64 {
	t.Helper()
	s := k.symbol(t, name)
	section := k.file.Sections[s.Section]
	return s.Value - section.Addr + section.Offset
}

func (k *kernelFile) code(t *testing.T, name string) []byte {
	t.Helper()
	start := k.offset(t, name)
	return k.image[start : start+k.symbol(t, name).Size]
}

// distance returns the distance from an address to a function, as a branch has it, in
// hexadecimal.
func (k *kernelFile) distance(t *testing.T, from uint64, to string) string {
	t.Helper()
	return hex.EncodeToString(binary.LittleEndian.AppendUint32(nil, uint32(k.symbol(t, to).Value-from)))
}
