package cycles

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Boot is what one boot of the guest sampled.
type Boot struct {
	// ID tells boots apart: the time-stamp counter when sampling began.
	ID uint64
	// Source says where its lines are, for messages.
	Source  string
	Machine Machine
	// Counters is set if core cycles and instructions were counted.
	Counters bool
	Series   []Series
}

// Machine is what the guest found by CPUID.
type Machine struct {
	Vendor    string `json:"vendor"`
	Signature string `json:"signature"` // leaf 1, EAX, in hexadecimal
	// Hypervisor is its signature, or the name of an emulator; "-" on the
	// machine itself.
	Hypervisor string `json:"hypervisor"`
	CPU        string `json:"cpu"`
}

// Series is what one counter counted under one label, sorted: the values at 0,
// 5, ... 100 % of the samples, each of N operations.
type Series struct {
	Label, Op, Counter string
	N, Samples, Lost   int
	Quantiles          [parts + 1]float64
}

const parts = 20

// Low is the mean of the samples between 5 % and 25 %, as stats.LowBand's, for
// N operations.
func (s Series) Low() float64 {
	const low, high = parts * 5 / 100, parts * 25 / 100
	sum := (s.Quantiles[low] + s.Quantiles[high]) / 2
	for i := low + 1; i < high; i++ {
		sum += s.Quantiles[i]
	}
	return sum / (high - low)
}

// Find returns the series.
func (b *Boot) Find(label, op, counter string) (Series, bool) {
	i := slices.IndexFunc(b.Series, func(s Series) bool { return s.Label == label && s.Op == op && s.Counter == counter })
	if i < 0 {
		return Series{}, false
	}
	return b.Series[i], true
}

// Parse reads consoles: every boot that is whole, and why others are not.
// Lines that are not the sampler's are passed over. An error is that of r.
func Parse(name string, r io.Reader) (boots []Boot, damaged []string, err error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	var current *Boot
	broken := "" // why the current boot is left out
	drop := func() {
		if broken != "" {
			damaged = append(damaged, broken)
		}
		current, broken = nil, ""
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		at := fmt.Sprintf("%s:%d", name, n)
		line = strings.TrimRight(line, "\r\n")
		kind, rest, _ := strings.Cut(line, ": ")
		if kind != "SAMPLING" && kind != "SAMPLE" {
			continue
		}
		words, err := checked(rest)
		begins, ends := words["boot"] != "", words["end"] != ""
		if current == nil && broken == "" && !begins {
			broken = at + ": samples without the line that begins a boot"
		}
		switch {
		case err != nil:
			broken = first(broken, fmt.Sprintf("%s: %v", at, err))
		case kind == "SAMPLE" && current != nil:
			if err := current.add(words); err != nil {
				broken = first(broken, fmt.Sprintf("%s: %v", at, err))
			}
		case begins:
			if current != nil {
				broken = first(broken, current.Source+": the boot has no end")
			}
			drop()
			if current, err = begin(at, words); err != nil {
				current, broken = nil, fmt.Sprintf("%s: %v", at, err)
			}
		case ends:
			if current != nil {
				if err := current.end(words); err != nil {
					broken = first(broken, fmt.Sprintf("%s: %v", at, err))
				}
			}
			if broken == "" {
				boots = append(boots, *current)
			}
			drop()
		}
	}
	if current != nil {
		broken = first(broken, current.Source+": the boot has no end")
	}
	drop()
	return boots, damaged, nil
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// checked splits the words of a line whose sum is right.
func checked(rest string) (map[string]string, error) {
	i := strings.LastIndex(rest, " crc=")
	if i < 0 {
		return nil, errors.New("the line is cut off: it has no crc=")
	}
	if want := fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(rest[:i]))); rest[i+len(" crc="):] != want {
		return nil, fmt.Errorf("the line is damaged: its sum is %s, want %s", want, rest[i+len(" crc="):])
	}
	words := map[string]string{}
	for _, w := range strings.Fields(rest[:i]) {
		key, value, _ := strings.Cut(w, "=")
		words[key] = value
	}
	return words, nil
}

func begin(at string, words map[string]string) (*Boot, error) {
	b := &Boot{Source: at, Counters: words["counters"] == "true"}
	var err error
	if b.ID, err = strconv.ParseUint(words["boot"], 16, 64); err != nil {
		return nil, err
	}
	text := func(key string) string {
		if words[key] == "" {
			err = fmt.Errorf("no %s=", key)
		}
		return strings.ReplaceAll(words[key], "_", " ")
	}
	b.Machine = Machine{text("vendor"), text("signature"), text("hypervisor"), text("cpu")}
	return b, err
}

func (b *Boot) end(words map[string]string) error {
	if id, err := strconv.ParseUint(words["end"], 16, 64); err != nil || id != b.ID {
		return fmt.Errorf("the end of boot %s, but boot %x began", words["end"], b.ID)
	}
	if n, err := strconv.Atoi(words["lines"]); err != nil || n != len(b.Series) {
		return fmt.Errorf("the guest sent %s lines of samples, %d came", words["lines"], len(b.Series))
	}
	return nil
}

func (b *Boot) add(words map[string]string) error {
	s := Series{Label: words["label"], Op: words["op"], Counter: words["counter"]}
	for _, f := range []struct {
		key string
		to  *int
	}{{"n", &s.N}, {"samples", &s.Samples}, {"lost", &s.Lost}} {
		var err error
		if *f.to, err = strconv.Atoi(words[f.key]); err != nil {
			return fmt.Errorf("%s=%s: %w", f.key, words[f.key], err)
		}
	}
	if s.Label == "" || s.Op == "" || s.Counter == "" || s.N < 1 || s.Samples < 1 {
		return errors.New("label, op, counter, n or samples is missing")
	}
	list := strings.Split(words["q"], ",")
	if len(list) != len(s.Quantiles) {
		return fmt.Errorf("%d quantiles, want %d", len(list), len(s.Quantiles))
	}
	sum := uint64(0)
	for i, text := range list {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return fmt.Errorf("q: %w", err)
		}
		sum += n
		s.Quantiles[i] = float64(sum)
	}
	if _, twice := b.Find(s.Label, s.Op, s.Counter); twice {
		return fmt.Errorf("%s of %s by %s comes twice", s.Op, s.Label, s.Counter)
	}
	b.Series = append(b.Series, s)
	return nil
}
