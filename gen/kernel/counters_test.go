package kernel

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/arch/x86/x86asm"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/x86"
)

// pmu is a CPU with performance counters as its manual describes them, for what
// no emulator has.
type pmu struct {
	// leaves are CPUID's by leaf, in the order of EAX, EBX, ECX, EDX. One that is
	// not there is 0.
	leaves map[uint32][4]uint32
	// refuses are MSRs whose writing is a #GP.
	refuses []uint32
	// still is a counter that does not count, by its selector; unread are those
	// whose reading is a #GP.
	still, unread []uint32

	wrote []string // MSRs and what was written to them
	msr   map[uint32]uint64
	time  uint32 // how many CPUIDs ran
}

// counts reports whether the counter of a selector is on, by what was written:
// Intel's fixed ones by both of their controls, AMD's by their own, and with the
// second version by the common one, too.
func (c *pmu) counts(selector uint32) bool {
	if n := selector &^ x86.FixedCounter; selector != n {
		return c.msr[x86.MSR_CORE_PERF_FIXED_CTR_CTRL]>>(4*n)&3 == 3 && c.msr[x86.MSR_CORE_PERF_GLOBAL_CTRL]>>(32+n)&1 == 1
	}
	common := c.leaves[0x80000022][0]&1 == 0 || c.msr[x86.MSR_AMD64_PERF_GLOBAL_CTL]>>selector&1 == 1
	return c.msr[x86.MSR_F15H_PERF_CTL+2*selector]>>22&1 == 1 && common
}

// cpu runs counters_init on a pmu: just the instructions that it has.
type cpu struct {
	*pmu
	reg    map[x86asm.Reg]uint64
	mem    map[uint64]uint64
	cr4    uint64
	carry  bool
	zero   bool
	stack  []uint64
	faults map[uint64]uint64 // __ex_table
}

func wide(r x86asm.Reg) x86asm.Reg {
	switch {
	case r >= x86asm.EAX && r <= x86asm.R15L:
		return r - x86asm.EAX + x86asm.RAX
	case r >= x86asm.AL && r <= x86asm.BL:
		return r - x86asm.AL + x86asm.RAX
	}
	return r
}

func (c *cpu) get(a x86asm.Arg, next uint64) uint64 {
	switch a := a.(type) {
	case x86asm.Imm:
		return uint64(a)
	case x86asm.Reg:
		switch {
		case a == x86asm.CR4:
			return c.cr4
		case a >= x86asm.AL && a <= x86asm.BL:
			return c.reg[wide(a)] & 0xff
		case a >= x86asm.EAX && a <= x86asm.R15L:
			return c.reg[wide(a)] & 0xffffffff
		}
		return c.reg[a]
	case x86asm.Mem:
		return c.mem[next+uint64(a.Disp)]
	}
	panic(fmt.Sprintf("operand %v", a))
}

func (c *cpu) set(a x86asm.Arg, v, next uint64) {
	switch a := a.(type) {
	case x86asm.Reg:
		if a == x86asm.CR4 {
			c.cr4 = v
			return
		}
		if a >= x86asm.EAX && a <= x86asm.R15L {
			v &= 0xffffffff
		}
		c.reg[wide(a)] = v
	case x86asm.Mem:
		c.mem[next+uint64(a.Disp)] = v
	}
}

// step runs one instruction at ip and returns where it goes on; 0 at the end.
func (c *cpu) step(in x86asm.Inst, ip uint64) uint64 {
	next := ip + uint64(in.Len)
	args := in.Args
	jump := func(taken bool) uint64 {
		if taken {
			return next + uint64(args[0].(x86asm.Rel))
		}
		return next
	}
	fault := func() uint64 {
		to, ok := c.faults[ip]
		if !ok {
			panic(fmt.Sprintf("%v at %#x faults and has no fix-up", in, ip))
		}
		return to
	}
	eax := func() uint32 { return uint32(c.reg[x86asm.RAX]) }
	switch in.Op {
	case x86asm.PUSH:
		c.stack = append(c.stack, c.get(args[0], next))
	case x86asm.POP:
		c.set(args[0], c.stack[len(c.stack)-1], next)
		c.stack = c.stack[:len(c.stack)-1]
	case x86asm.RET:
		return 0
	case x86asm.MOV, x86asm.MOVZX:
		c.set(args[0], c.get(args[1], next), next)
	case x86asm.XOR:
		c.set(args[0], c.get(args[0], next)^c.get(args[1], next), next)
	case x86asm.AND:
		c.set(args[0], c.get(args[0], next)&c.get(args[1], next), next)
	case x86asm.OR:
		c.set(args[0], c.get(args[0], next)|c.get(args[1], next), next)
	case x86asm.ADD:
		c.set(args[0], c.get(args[0], next)+c.get(args[1], next), next)
	case x86asm.SHL:
		c.set(args[0], c.get(args[0], next)<<c.get(args[1], next), next)
	case x86asm.SHR:
		c.set(args[0], c.get(args[0], next)>>c.get(args[1], next), next)
	case x86asm.BTS:
		c.set(args[0], c.get(args[0], next)|1<<c.get(args[1], next), next)
	case x86asm.CMP:
		a, b := uint32(c.get(args[0], next)), uint32(c.get(args[1], next))
		c.carry, c.zero = a < b, a == b
	case x86asm.BT:
		c.carry = c.get(args[0], next)>>c.get(args[1], next)&1 == 1
	case x86asm.JB:
		return jump(c.carry)
	case x86asm.JAE:
		return jump(!c.carry)
	case x86asm.JE:
		return jump(c.zero)
	case x86asm.JNE:
		return jump(!c.zero)
	case x86asm.JMP:
		return jump(true)
	case x86asm.CPUID:
		c.time++
		l := c.leaves[eax()]
		for i, r := range []x86asm.Reg{x86asm.RAX, x86asm.RBX, x86asm.RCX, x86asm.RDX} {
			c.reg[r] = uint64(l[i])
		}
	case x86asm.RDMSR:
		msr := uint32(c.reg[x86asm.RCX])
		if slices.Contains(c.refuses, msr) {
			return fault()
		}
		c.reg[x86asm.RAX], c.reg[x86asm.RDX] = c.msr[msr]&0xffffffff, c.msr[msr]>>32
	case x86asm.WRMSR:
		msr := uint32(c.reg[x86asm.RCX])
		value := c.reg[x86asm.RDX]<<32 | uint64(eax())
		if slices.Contains(c.refuses, msr) {
			return fault()
		}
		c.wrote = append(c.wrote, fmt.Sprintf("%x=%x", msr, value))
		c.msr[msr] = value
	case x86asm.RDPMC:
		selector := uint32(c.reg[x86asm.RCX])
		if slices.Contains(c.unread, selector) {
			return fault()
		}
		count := uint64(7)
		if c.counts(selector) && !slices.Contains(c.still, selector) {
			count += uint64(100 * c.time)
		}
		c.reg[x86asm.RAX], c.reg[x86asm.RDX] = count, 0
	default:
		panic(fmt.Sprintf("%v is not known here", in))
	}
	return next
}

// countersCode is the emitted code of performanceCounters.
type countersCode struct {
	*Object
	code   []byte
	faults map[uint64]uint64
}

const countersBase = 1 << 20

func linkCounters(t *testing.T) countersCode {
	o, err := Link(performanceCounters(), countersBase, 0)
	if err != nil {
		t.Fatal(err)
	}
	c := countersCode{o, o.Sections[0].Bytes, map[uint64]uint64{}}
	for _, s := range o.Sections {
		for a := c.addr("__ex_table"); a < c.addr("__ex_table_end"); a += 16 {
			if off := a - s.Addr; off < uint64(len(s.Bytes)) {
				c.faults[binary.LittleEndian.Uint64(s.Bytes[off:])] = binary.LittleEndian.Uint64(s.Bytes[off+8:])
			}
		}
	}
	return c
}

func (c countersCode) addr(name string) uint64 { a, _ := c.Addr(name); return a }

// start returns a CPU on which nothing ran yet.
func (c countersCode) start(p *pmu) *cpu {
	p.msr = map[uint32]uint64{}
	return &cpu{pmu: p, reg: map[x86asm.Reg]uint64{x86asm.RBX: 42}, mem: map[uint64]uint64{}, cr4: 0x20, faults: c.faults}
}

// run runs a function.
func (c countersCode) run(t *testing.T, on *cpu, function string) {
	ip := c.addr(function)
	for n := 0; ip != 0; n++ {
		in, err := x86asm.Decode(c.code[ip-countersBase:], 64)
		if err != nil || n > 200 {
			t.Fatalf("%#x: %v after %d instructions", ip, err, n)
		}
		ip = on.step(in, ip)
	}
}

// leavesOfIntel and leavesOfAMD are CPUID's leaves about counters.
func leavesOfIntel(max, version, fixed uint32) map[uint32][4]uint32 {
	return map[uint32][4]uint32{0: {max}, 0xa: {0x07300400 | version, 0, 0, 0x600 | fixed}, 0x80000000: {0x80000008}}
}

func leavesOfAMD(top, ecx, v2 uint32) map[uint32][4]uint32 {
	return map[uint32][4]uint32{0: {0xd}, 0x80000000: {top}, 0x80000001: {0, 0, ecx, 0}, 0x80000022: {v2}}
}

// TestCounters runs the emitted counters_init on CPUs that CPUID describes, of
// which no emulator counts anything.
func TestCounters(t *testing.T) {
	code := linkCounters(t)
	leaf, amd := leavesOfIntel, leavesOfAMD
	const (
		intel  = "38d=33 38f=300000000"
		ext    = 1 << 23
		first  = "c0010200=430076 c0010202=4300c0"
		second = first + " c0000301=3"
		fixed0 = x86.FixedCounter
	)
	for _, row := range []struct {
		name   string
		cpu    pmu
		wrote  string
		on     bool
		cycles uint64
	}{
		{"Intel, version 4", pmu{leaves: leaf(0x16, 4, 3)}, intel, true, fixed0 + 1},
		{"Intel, version 2", pmu{leaves: leaf(0xd, 2, 3)}, intel, true, fixed0 + 1},
		{"Intel, version 1 has no fixed counters", pmu{leaves: leaf(0xd, 1, 3)}, "", false, 0},
		{"Intel, one fixed counter", pmu{leaves: leaf(0xd, 2, 1)}, "", false, 0},
		{"Intel, a hypervisor without a PMU", pmu{leaves: leaf(0xd, 0, 0)}, "", false, 0},
		{"Intel, leaf 0xA is beyond the last", pmu{leaves: leaf(9, 4, 3)}, "", false, 0},
		{"Intel, cycles stand still", pmu{leaves: leaf(0xd, 4, 3), still: []uint32{fixed0 + 1}}, intel, false, 0},
		{"Intel, instructions stand still", pmu{leaves: leaf(0xd, 4, 3), still: []uint32{fixed0}}, intel, false, 0},
		{"Intel, as Bochs: RDPMC is a #GP", pmu{leaves: leaf(0xd, 4, 3), unread: []uint32{fixed0, fixed0 + 1}}, intel, false, 0},
		{"Intel, no MSR for the fixed counters", pmu{leaves: leaf(0xd, 4, 3), refuses: []uint32{0x38d}}, "", false, 0},
		{"Intel, no common MSR", pmu{leaves: leaf(0xd, 4, 3), refuses: []uint32{0x38f}}, "38d=33", false, 0},
		{"AMD, Zen 3", pmu{leaves: amd(0x80000021, ext, 0)}, first, true, 0},
		{"AMD, Zen 4", pmu{leaves: amd(0x80000028, ext, 1)}, second, true, 0},
		{"AMD, leaf without the second version", pmu{leaves: amd(0x80000028, ext, 0)}, first, true, 0},
		{"AMD, no extended counters", pmu{leaves: amd(0x80000021, 0, 0)}, "", false, 0},
		{"AMD, no leaf of features", pmu{leaves: amd(0x80000000, ext, 0)}, "", false, 0},
		{"AMD, a hypervisor without the MSRs", pmu{leaves: amd(0x80000021, ext, 0), refuses: []uint32{0xc0010200}}, "", false, 0},
		{"AMD, no common MSR", pmu{leaves: amd(0x80000028, ext, 1), refuses: []uint32{0xc0000301}}, first, false, 0},
		{"AMD, instructions stand still", pmu{leaves: amd(0x80000021, ext, 0), still: []uint32{1}}, first, false, 0},
		{"AMD, no reading", pmu{leaves: amd(0x80000021, ext, 0), unread: []uint32{0}}, first, false, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := code.start(&row.cpu)
			code.run(t, c, "counters_init")
			if got := strings.Join(c.wrote, " "); got != row.wrote {
				t.Errorf("MSRs written: %s, want %s", got, row.wrote)
			}
			at := code.addr("perf_counters")
			if on := c.mem[at+16] == 1; on != row.on || c.cr4>>8&1 == 1 != row.on || c.cr4&0x20 == 0 {
				t.Errorf("counters on %v, CR4 %#x: want %v", on, c.cr4, row.on)
			}
			if row.on && (c.mem[at] != row.cycles || c.mem[at+8] == row.cycles) {
				t.Errorf("RDPMC takes %#x for cycles and %#x for instructions", c.mem[at], c.mem[at+8])
			}
			if c.reg[x86asm.RBX] != 42 || len(c.stack) != 0 {
				t.Errorf("RBX is %d, %d words are on the stack", c.reg[x86asm.RBX], len(c.stack))
			}
		})
	}
}

// TestCountEvent runs the emitted sys_count_event behind counters_init.
func TestCountEvent(t *testing.T) {
	const (
		ext   = 1 << 23
		event = 0x100000224 // a number of more than 8 bits, and a unit mask
	)
	code := linkCounters(t)
	intel, amd := leavesOfIntel(0x16, 4, 3), leavesOfAMD(0x80000028, ext, 1)
	for _, row := range []struct {
		name    string
		cpu     pmu
		counter uint64
		wrote   string
		want    int64
	}{
		{"Intel, the first", pmu{leaves: intel}, 0, "186=100430224 38f=300000001", 0},
		{"Intel, the last", pmu{leaves: intel}, 2, "188=100430224 38f=300000004", 2},
		{"Intel, one too many", pmu{leaves: intel}, 3, "", -EINVAL},
		{"Intel, fewer counters", pmu{leaves: intel, refuses: []uint32{0x188}}, 2, "", -ENODEV},
		{"Intel, no reading", pmu{leaves: intel, unread: []uint32{1}}, 1, "187=100430224 38f=300000002", -ENODEV},
		{"AMD, the first", pmu{leaves: amd}, 0, "c0010204=100430224 c0000301=7", 2},
		{"AMD, the last", pmu{leaves: amd}, 2, "c0010208=100430224 c0000301=13", 4},
		{"AMD, Zen 3", pmu{leaves: leavesOfAMD(0x80000021, ext, 0), refuses: []uint32{0xc0000301}}, 0, "c0010204=100430224", 2},
		{"AMD, fewer counters", pmu{leaves: amd, refuses: []uint32{0xc0010204}}, 0, "", -ENODEV},
		{"no counters", pmu{leaves: leavesOfIntel(0x16, 0, 0)}, 0, "", -ENODEV},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := code.start(&row.cpu)
			code.run(t, c, "counters_init")
			c.wrote = nil
			c.reg[x86asm.RDI], c.reg[x86asm.RSI] = row.counter, event
			code.run(t, c, "sys_count_event")
			if got := strings.Join(c.wrote, " "); got != row.wrote {
				t.Errorf("MSRs written: %s, want %s", got, row.wrote)
			}
			if got := int64(c.reg[x86asm.RAX]); got != row.want {
				t.Errorf("it returns %d, want %d", got, row.want)
			}
		})
	}
}
