package measure

import (
	"slices"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/guest/regs"
)

// CPUID leaves that tell which events a CPU counts (SDM volume 2, CPUID; APM volume 3,
// appendix E).
const (
	leafFeatures  = 7
	leafHybrid    = 0x1a
	leafPerfMonV2 = 0x8000_0022

	hybrid   = 1 << 15 // of leafFeatures' EDX: the CPU has cores of several kinds
	atomCore = 0x20    // of leafHybrid's EAX, the highest byte: this is a small one
)

// The numbers of the events of wire.Explaining, with their unit masks in bits 8 to 15, by
// the kind of core.
var (
	// sandyBridge is Intel's from Sandy Bridge to Rocket Lake (perfmon's events
	// LD_BLOCKS.STORE_FORWARD, UOPS_ISSUED.ANY and IDQ_UOPS_NOT_DELIVERED.CORE).
	sandyBridge = [layout.CountedEvents]uint64{0x0203, 0x010e, 0x019c}
	// goldenCove is Intel's since Alder Lake and Sapphire Rapids (the same events, of which
	// the last is IDQ_BUBBLES.CORE).
	goldenCove = [layout.CountedEvents]uint64{0x8203, 0x01ae, 0x019c}
	// zen2 is AMD's families 17h and 19h without the second version of counters (PPR, PMCx024
	// StliOther, PMCx0C1 and PMCx0A9).
	zen2 = [layout.CountedEvents]uint64{0x0224, 0x00c1, 0x00a9}
	// zen4 is AMD's since then, whose PMCx1A0 counts slots.
	zen4 = [layout.CountedEvents]uint64{0x0224, 0x00c1, 1<<32 | 0x01a0}
)

// intelCores are the models of Intel's family 6 by their events (SDM volume 4, table 2-1).
var intelCores = []struct {
	events [layout.CountedEvents]uint64
	models []uint32
}{
	{sandyBridge, []uint32{
		0x2a, 0x2d, 0x3a, 0x3e, // Sandy Bridge, Ivy Bridge
		0x3c, 0x3f, 0x45, 0x46, 0x3d, 0x47, 0x4f, 0x56, // Haswell, Broadwell
		0x4e, 0x5e, 0x55, 0x8e, 0x9e, 0xa5, 0xa6, // Skylake to Comet Lake
		0x7d, 0x7e, 0x6a, 0x6c, 0x8c, 0x8d, 0xa7, // Ice Lake, Tiger Lake, Rocket Lake
	}},
	{goldenCove, []uint32{
		0x97, 0x9a, 0xb7, 0xba, 0xbf, // Alder Lake, Raptor Lake
		0x8f, 0xcf, // Sapphire Rapids, Emerald Rapids
	}},
}

// identity is what CPUID says of a core.
type identity struct {
	vendor    string
	signature uint32 // leaf 1, EAX
	perfMonV2 bool
	atom      bool
}

// explaining returns the events of wire.Explaining as the CPU numbers them; ok is false of
// a CPU whose numbers are not known here.
func (id identity) explaining() (events [layout.CountedEvents]uint64, ok bool) {
	family, model := id.signature>>8&0xf, id.signature>>4&0xf
	if family == 6 || family == 0xf {
		model |= id.signature >> 16 & 0xf << 4
	}
	if family == 0xf {
		family += id.signature >> 20 & 0xff
	}
	switch {
	case id.vendor == "GenuineIntel" && family == 6 && !id.atom:
		for _, core := range intelCores {
			if slices.Contains(core.models, model) {
				return core.events, true
			}
		}
	case id.vendor == "AuthenticAMD" && family >= 0x17 && id.perfMonV2:
		return zen4, true
	case id.vendor == "AuthenticAMD" && (family == 0x17 || family == 0x19):
		return zen2, true
	}
	return events, false
}

// cpuIdentity returns the identity of the core that runs this.
func cpuIdentity() identity {
	m := Machine()
	id := identity{vendor: m.Vendor, signature: uint32(m.Signature)}
	if top, _, _, _ := regs.CPUID(leafVendor, 0); top >= leafHybrid {
		_, _, _, d := regs.CPUID(leafFeatures, 0)
		a, _, _, _ := regs.CPUID(leafHybrid, 0)
		id.atom = d&hybrid != 0 && a>>24 == atomCore
	}
	if top, _, _, _ := regs.CPUID(leafExtended, 0); top >= leafPerfMonV2 {
		a, _, _, _ := regs.CPUID(leafPerfMonV2, 0)
		id.perfMonV2 = a&1 != 0
	}
	return id
}

// setCounters makes the loops read the counters that the kernel has turned on, and
// reports whether there are any, and which events they count.
func setCounters(stats *layout.Stats[layout.Word]) (counters bool, events [layout.CountedEvents]bool) {
	if stats.CountersOn == 0 {
		return false, events
	}
	c := regs.Counters{Present: true, Cycles: uint32(stats.CycleCounter), Instructions: uint32(stats.InstructionCounter)}
	if numbers, ok := cpuIdentity().explaining(); ok {
		c.Explained = true
		for i, event := range numbers {
			selector, err := regs.CountEvent(i, event)
			c.Events[i], c.Explained = selector, c.Explained && err == nil
		}
	}
	regs.SetCounters(c)
	chain, blocked := regs.Chain(), regs.Blocked()
	if _, err := chain(warmUp, -1); err != nil || regs.Counted().Cycles == 0 || regs.Counted().Instructions == 0 {
		regs.SetCounters(regs.Counters{}) // a hypervisor may have them stand still
		return false, events
	}
	if !c.Explained {
		return true, events
	}
	if _, err := blocked(provoked, -1); err != nil {
		return true, events
	}
	return true, explained(regs.Counted().Events, provoked)
}

// provoked is how many blocked loads must show.
const provoked = 1000

// explained returns which events are counted, by what came of n rounds of regs.Blocked: in
// each is a load that waits, and more than one micro-operation. Nothing is known about the
// front end there, so its event is believed if both others are counted.
func explained(counts [layout.CountedEvents]uint64, n uint64) (events [layout.CountedEvents]bool) {
	events[0], events[1] = counts[0] >= n/2, counts[1] >= 2*n
	events[2] = events[0] && events[1]
	return events
}
