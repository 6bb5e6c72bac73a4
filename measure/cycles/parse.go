package cycles

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"strings"

	"github.com/entrylab/entrylab/internal/bounded"
	"github.com/entrylab/entrylab/measure/record"
)

// Of a console this much is read. A boot's samples have some 50 KiB.
var consoleFile = bounded.Kind{Thing: "console", Most: 64 << 20, Advice: "give the console of some boots"}

const (
	// mostLine is more than a line of the sampler has. What is longer is not one.
	mostLine = 16 << 10
	// mostSeries is more than a boot has, of as many variants as an image can
	// carry.
	mostSeries = 10_000
	// mostDamaged boots are told of one by one.
	mostDamaged = 1000
)

// ParseFile is Parse of the file at path, which may be a pipe or a serial line.
func ParseFile(ctx context.Context, path string) (boots []Boot, damaged []string, err error) {
	f, err := consoleFile.Open(ctx, path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	return Parse(path, f)
}

// Parse reads consoles: every boot that is whole, and why others are not.
// Lines that are not the sampler's are passed over. An error is that of r. What
// a boot was measured with is what the guest found; its Build is left empty.
func Parse(name string, r io.Reader) (boots []Boot, damaged []string, err error) {
	var current *console
	broken := "" // why the current boot is left out
	// What the proof says of the next boot's variants, and why it cannot be told.
	var proofs map[string]record.Proof
	unread := ""
	drop := func() {
		switch {
		case broken == "" || len(damaged) > mostDamaged:
		case len(damaged) == mostDamaged:
			damaged = append(damaged, name+": more damaged boots follow")
		default:
			damaged = append(damaged, broken)
		}
		current, broken = nil, ""
	}
	in := bufio.NewReader(r)
	n, inside := 0, false
	for {
		text, err := bounded.ReadLine(in, mostLine)
		long := errors.Is(err, bounded.ErrLongLine)
		if err != nil && err != io.EOF && !long {
			return nil, nil, err
		}
		if err == io.EOF && len(text) == 0 {
			break
		}
		rest := inside // of a line that was too long
		inside = (long || rest) && !bytes.HasSuffix(text, []byte("\n"))
		if !rest {
			n++
		}
		if long || rest {
			continue
		}
		at := fmt.Sprintf("%s:%d", name, n)
		line := strings.TrimRight(string(text), "\r\n")
		kind, list, _ := strings.Cut(line, ": ")
		if kind == "PROOF" {
			text, err := sumChecked(list)
			variant, said, _ := strings.Cut(text, ": ")
			switch {
			case err != nil:
				unread = first(unread, fmt.Sprintf("%s: %v", at, err))
			case len(proofs) == mostSeries:
				unread = first(unread, at+": more proofs than an image has variants")
			case proofs == nil:
				proofs = map[string]record.Proof{variant: record.Proof(said)}
			default:
				proofs[variant] = record.Proof(said)
			}
			continue
		}
		if kind != "SAMPLING" && kind != "SAMPLE" {
			continue
		}
		words, err := checked(list)
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
				broken = first(broken, current.boot.Source+": the boot has no end")
			}
			drop()
			if current, err = begin(at, words); err != nil {
				current, broken = nil, fmt.Sprintf("%s: %v", at, err)
			} else if current.boot.Proofs, broken = proofs, unread; broken != "" {
				current = nil
			}
			proofs, unread = nil, ""
		case ends:
			if current != nil {
				if err := current.end(words); err != nil {
					broken = first(broken, fmt.Sprintf("%s: %v", at, err))
				}
			}
			if broken == "" {
				b, err := current.reduced()
				if err != nil {
					broken = fmt.Sprintf("%s: %v", b.Source, err)
				} else {
					boots = append(boots, b)
				}
			}
			drop()
		}
	}
	if current != nil {
		broken = first(broken, current.boot.Source+": the boot has no end")
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

// sumChecked is the text of a line whose sum is right.
func sumChecked(rest string) (string, error) {
	i := strings.LastIndex(rest, " crc=")
	if i < 0 {
		return "", errors.New("the line is cut off: it has no crc=")
	}
	if want := fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(rest[:i]))); rest[i+len(" crc="):] != want {
		return "", fmt.Errorf("the line is damaged: its sum is %s, want %s", want, rest[i+len(" crc="):])
	}
	return rest[:i], nil
}

// checked splits the words of a line whose sum is right.
func checked(rest string) (map[string]string, error) {
	text, err := sumChecked(rest)
	if err != nil {
		return nil, err
	}
	words := map[string]string{}
	for _, w := range strings.Fields(text) {
		key, value, _ := strings.Cut(w, "=")
		words[key] = value
	}
	return words, nil
}

func begin(at string, words map[string]string) (*console, error) {
	id, err := strconv.ParseUint(words["boot"], 16, 63)
	if err != nil {
		return nil, err
	}
	text := func(key string) string {
		if words[key] == "" && err == nil {
			err = fmt.Errorf("no %s=", key)
		}
		return strings.ReplaceAll(words[key], "_", " ")
	}
	c := &console{counters: words["counters"] == "true", boot: Boot{ID: id, Source: at}}
	config := &c.boot.Config
	config.Code, config.Engine = text("code"), engineOf(text("hypervisor"))
	config.CPU = fmt.Sprintf("%s, %s, signature %s", text("cpu"), text("vendor"), text("signature"))
	config.Machine, config.Host = "host", config.CPU
	if config.Engine != metal {
		config.Machine = "a console's"
	}
	return c, err
}

// Engines that the guest can tell.
const (
	metal = "metal"
	kvm   = "kvm"
	tcg   = "tcg"
	bochs = "bochs"
)

// engineOf tells by the hypervisor's signature what the guest ran on.
func engineOf(hypervisor string) string {
	switch hypervisor {
	case "-":
		return metal
	case "KVMKVMKVM":
		return kvm
	case "TCGTCGTCGTCG":
		return tcg
	case bochs:
		return bochs
	}
	return "hypervisor " + hypervisor
}

// Meaningless says why the ticks of an engine are not a CPU's; empty: they are.
func Meaningless(engine string) string {
	if engine == tcg || engine == bochs {
		return "an emulator's clock says nothing of a CPU's cycles"
	}
	return ""
}

func (c *console) end(words map[string]string) error {
	if id, err := strconv.ParseUint(words["end"], 16, 64); err != nil || id != c.boot.ID {
		return fmt.Errorf("the end of boot %s, but boot %x began", words["end"], c.boot.ID)
	}
	if n, err := strconv.Atoi(words["lines"]); err != nil || n != len(c.series) {
		return fmt.Errorf("the guest sent %s lines of samples, %d came", words["lines"], len(c.series))
	}
	return nil
}

func (c *console) add(words map[string]string) error {
	s := series{label: words["label"], op: words["op"], counter: words["counter"]}
	for _, f := range []struct {
		key string
		to  *int
	}{{"n", &s.n}, {"samples", &s.samples}} {
		var err error
		if *f.to, err = strconv.Atoi(words[f.key]); err != nil {
			return fmt.Errorf("%s=%s: %w", f.key, words[f.key], err)
		}
	}
	if s.label == "" || s.op == "" || s.counter == "" || s.n < 1 || s.samples < 1 {
		return errors.New("label, op, counter, n or samples is missing")
	}
	list := strings.Split(words["q"], ",")
	if len(list) != len(s.quantiles) {
		return fmt.Errorf("%d quantiles, want %d", len(list), len(s.quantiles))
	}
	sum := uint64(0)
	for i, text := range list {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return fmt.Errorf("q: %w", err)
		}
		sum += n
		s.quantiles[i] = float64(sum)
	}
	if len(c.series) == mostSeries {
		return fmt.Errorf("more than %d lines of samples in one boot", mostSeries)
	}
	if _, twice := c.find(s.label, s.op, s.counter); twice {
		return fmt.Errorf("%s of %s by %s comes twice", s.op, s.label, s.counter)
	}
	c.series = append(c.series, s)
	return nil
}
