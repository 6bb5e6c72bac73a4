package wire

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Sampling is the line in front of a boot's samples.
type Sampling struct {
	// Boot tells boots apart: it is the time-stamp counter when sampling began. It has
	// 63 bits.
	Boot uint64
	// Seed and Samples are as in the [Command].
	Seed    uint64
	Samples int
	// Counters reports whether each series also comes from the cycle counter and the
	// instruction counter.
	Counters bool
	// Code is the hash of the kernel's code, as the kernel gives it, and behind PlacesMark at
	// how many places the image has the entry paths, if the boots of a series take turns;
	// Linux on Linux.
	Code    string
	Machine Machine
}

// PlacesMark is in the Sampling.Code of an image with several placements of its code.
const PlacesMark = "/"

// Machine is the machine that the guest runs on, as CPUID shows it.
type Machine struct {
	// Vendor is that of leaf 0, such as "GenuineIntel".
	Vendor string
	// Signature is EAX of leaf 1: family, model and stepping.
	Signature uint64
	// Hypervisor is the signature of leaf 0x40000000, such as "KVMKVMKVM", or the
	// value of EngineVariable; empty if there is neither.
	Hypervisor string
	// CPU is the model's name, from leaves 0x80000002 to 0x80000004; empty if the
	// CPU has none. An underscore in it comes out as a space.
	CPU string
}

func (m *Machine) words() []word {
	return []word{
		{"vendor", (*phrase)(&m.Vendor)},
		{"signature", (*hex)(&m.Signature)},
		{"hypervisor", (*phrase)(&m.Hypervisor)},
		{"cpu", (*phrase)(&m.CPU)},
	}
}

// String returns the machine as its words in a line.
func (m Machine) String() string { return printWords(m.words()) }

// ParseMachine reads what String printed.
func ParseMachine(text string) (Machine, error) {
	var m Machine
	err := parseWords(text, m.words())
	return m, err
}

func (s *Sampling) words() []word {
	return append([]word{
		{"boot", (*hex)(&s.Boot)},
		{"seed", &s.Seed},
		{"samples", &s.Samples},
		{"counters", &s.Counters},
		{"code", &s.Code},
	}, s.Machine.words()...)
}

func (s Sampling) String() string { return summed(KindSampling, printWords(s.words())) }

// Parts is the number of parts that a series' sorted samples are divided into.
const Parts = 20

// Quantiles are the smallest of the sorted samples, the ones at each 1/Parts of them,
// and the largest.
type Quantiles [Parts + 1]uint64

// Low returns the mean of the samples between 5 % and 25 %: what disturbs a sample only
// adds to it, and the least samples are luck.
func (q *Quantiles) Low() float64 {
	const low, high = Parts * 5 / 100, Parts * 25 / 100
	sum := (float64(q[low]) + float64(q[high])) / 2
	for i := low + 1; i < high; i++ {
		sum += float64(q[i])
	}
	return sum / (high - low)
}

func (q *Quantiles) appendTo(b []byte) []byte {
	last := uint64(0)
	for i, x := range q {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, x-last, 10)
		last = x
	}
	return b
}

func (q *Quantiles) parse(text string) error {
	list := strings.Split(text, ",")
	if len(list) != len(q) {
		return fmt.Errorf("%d quantiles, want %d", len(list), len(q))
	}
	last := uint64(0)
	for i, text := range list {
		step, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return err
		}
		if q[i] = last + step; q[i] < last {
			return errors.New("the quantiles are too large")
		}
		last = q[i]
	}
	return nil
}

// Series is what one clock counted for one operation under one label, over all
// samples of a boot.
type Series struct {
	// Label is a variant's name or the label of a control.
	Label string
	// Op is the operation, Counter the clock: CounterTSC and so on.
	Op, Counter string
	// N is the number of operations in a sample, Samples the number of samples, and
	// Lost the number of samples that were left out because two threads had not
	// taken turns in them.
	N, Samples, Lost int
	// Quantiles are those of whole samples, in the clock's own unit, with the
	// measuring loop included.
	Quantiles Quantiles
}

func (s *Series) words() []word {
	return []word{
		{"label", &s.Label},
		{"op", &s.Op},
		{"counter", &s.Counter},
		{"n", &s.N},
		{"samples", &s.Samples},
		{"lost", &s.Lost},
		{"q", &s.Quantiles},
	}
}

func (s Series) String() string { return summed(KindSample, printWords(s.words())) }

func parseSeries(text string) (Line, error) {
	text, err := withoutSum(text)
	if err != nil {
		return nil, err
	}
	var s Series
	if err := parseWords(text, s.words()); err != nil {
		return nil, err
	}
	if s.N < 1 || s.Samples < 1 {
		return nil, fmt.Errorf("n=%d samples=%d: want at least 1", s.N, s.Samples)
	}
	return s, nil
}

// Singles are how long the slowest of single operations took under one label, in ticks
// with the clock's reading included.
type Singles struct {
	Label, Op string
	// Samples is the number of operations. Of those half took at most Median, and so on.
	Samples                 int
	Median, P99, P999, Most uint64
}

func (s *Singles) words() []word {
	return []word{
		{"label", &s.Label},
		{"op", &s.Op},
		{"samples", &s.Samples},
		{"median", &s.Median},
		{"p99", &s.P99},
		{"p99.9", &s.P999},
		{"most", &s.Most},
	}
}

func (s Singles) String() string { return summed(KindSingles, printWords(s.words())) }

func parseSingles(text string) (Line, error) {
	text, err := withoutSum(text)
	if err != nil {
		return nil, err
	}
	var s Singles
	if err := parseWords(text, s.words()); err != nil {
		return nil, err
	}
	if s.Samples < 1 || s.Median > s.P99 || s.P99 > s.P999 || s.P999 > s.Most {
		return nil, fmt.Errorf("samples=%d median=%d p99=%d p99.9=%d most=%d: want at least one, and these in order", s.Samples, s.Median, s.P99, s.P999, s.Most)
	}
	return s, nil
}

// SamplingEnd is the line behind a boot's samples.
type SamplingEnd struct {
	Boot  uint64 // as in Sampling
	Lines int    // how many lines of Series and Singles came
	// Stolen is the number of samples that were left out because the hypervisor had the CPU
	// run others meanwhile, if StealTold: if it tells.
	StealTold bool
	Stolen    int
}

func (s *SamplingEnd) words() []word {
	return []word{
		{"end", (*hex)(&s.Boot)},
		{"lines", &s.Lines},
		{"steal", &s.StealTold},
		{"stolen", &s.Stolen},
	}
}

func (s SamplingEnd) String() string { return summed(KindSampling, printWords(s.words())) }

// parseSampling reads the line in front of a boot's samples, or behind them.
func parseSampling(text string) (Line, error) {
	text, err := withoutSum(text)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(text, "end=") {
		var s SamplingEnd
		err := parseWords(text, s.words())
		return s, err
	}
	var s Sampling
	if err := parseWords(text, s.words()); err != nil {
		return nil, err
	}
	if s.Boot>>63 != 0 {
		return nil, fmt.Errorf("boot=%x has more than 63 bits", s.Boot)
	}
	return s, nil
}
