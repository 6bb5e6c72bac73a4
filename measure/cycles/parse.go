package cycles

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/bounded"
	"github.com/entrylab/entrylab/measure/record"
)

// At most this much of a console is read. A boot's samples have some 50 KiB.
var consoleFile = bounded.Kind{Thing: "console", Most: 64 << 20, Advice: "give the console of some boots"}

const (
	// mostSeries is more than a boot has, with as many variants as an image can
	// carry.
	mostSeries = 10_000
	// mostDamaged is how many damaged boots are named one by one.
	mostDamaged = 1000
)

// ParseFiles works like Parse, but on the files at the paths, which may be pipes or serial
// lines. A file may also have the results that a machine has left on its medium
// (wire.Object), be a photo of a QR code that the guest has shown, or have the text of
// some: the codes of all files belong together.
func ParseFiles(ctx context.Context, paths []string) (boots []Boot, damaged []string, err error) {
	var frames []string
	add := func(name string, r io.Reader) error {
		some, bad, err := Parse(name, &withoutFrames{in: bufio.NewReader(&withoutObjects{in: bufio.NewReaderSize(r, wire.MostLine)}), frames: &frames})
		boots, damaged = append(boots, some...), append(damaged, bad...)
		return err
	}
	for _, path := range paths {
		f, err := consoleFile.Open(ctx, path)
		if err != nil {
			return nil, nil, err
		}
		in := bufio.NewReader(f)
		if head, _ := in.Peek(16); isPhoto(head) { // a short file is none
			var text string
			var photo bytes.Buffer
			_, err := photo.ReadFrom(in) // which ends at consoleFile's limit
			if err == nil {
				text, err = readCode(photo.Bytes())
			}
			f.Close()
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", path, err)
			}
			frames = append(frames, text)
			continue
		}
		err = add(path, in)
		f.Close()
		if err != nil {
			return nil, nil, err
		}
	}
	texts, wrong := wire.Unframe(frames)
	for i, text := range texts {
		if err := add(fmt.Sprintf("QR codes, answer %d", i+1), bytes.NewReader(text)); err != nil {
			return nil, nil, err
		}
	}
	return boots, append(damaged, wrong...), nil
}

// withoutFrames reads lines, and takes out those that are the text of a QR code.
type withoutFrames struct {
	in     *bufio.Reader
	frames *[]string
	left   []byte // of a line
}

func (w *withoutFrames) Read(p []byte) (int, error) {
	for len(w.left) == 0 {
		line, err := w.in.ReadSlice('\n')
		if bytes.HasPrefix(line, []byte(wire.FramePrefix)) && len(*w.frames) < mostSeries {
			*w.frames = append(*w.frames, string(line))
			line = nil
		}
		if len(line) == 0 && err != nil && err != bufio.ErrBufferFull {
			return 0, err
		}
		w.left = append(w.left, line...)
	}
	n := copy(p, w.left)
	w.left = w.left[n:]
	return n, nil
}

// Parse reads consoles: it returns every complete boot, and the reasons why others are
// not. Lines that are not the sampler's are passed over. An error is an error of r. A
// boot's configuration is what the guest found; its Build is left empty.
func Parse(name string, r io.Reader) (boots []Boot, damaged []string, err error) {
	p := parser{in: wire.NewReader(name, r)}
	for {
		line, err := p.in.Next()
		var unreadable *wire.DamagedError
		switch {
		case err == io.EOF:
			p.drop()
			return p.boots, p.damaged, nil
		case errors.As(err, &unreadable):
			p.refuse(unreadable)
		case err != nil:
			return nil, nil, err
		default:
			p.add(line)
		}
	}
}

// parser collects boots from the lines of a console.
type parser struct {
	in      *wire.Reader
	boots   []Boot
	damaged []string
	// current is the boot that has not ended yet, or nil. broken is the reason why the
	// boot that the lines belong to is left out.
	current *console
	broken  string
	// proofs are the proofs of the boot that has not begun yet, and unread is the reason
	// why one of them could not be read.
	proofs map[string]record.Proof
	unread string
}

// breaks leaves the boot out. The first reason is the one that is reported.
func (p *parser) breaks(format string, args ...any) {
	p.broken = cmp.Or(p.broken, fmt.Sprintf(format, args...))
}

// refuse records a line that cannot be read.
func (p *parser) refuse(line *wire.DamagedError) {
	switch line.Kind {
	case wire.KindProof:
		p.unread = cmp.Or(p.unread, line.Error())
	case wire.KindSampling, wire.KindSample, wire.KindSingles:
		p.breaks("%v", line)
	}
}

func (p *parser) add(line wire.Line) {
	switch l := line.(type) {
	case wire.Proof:
		switch {
		case len(p.proofs) == mostSeries:
			p.unread = cmp.Or(p.unread, p.in.At()+": more proofs than an image has variants")
		case p.proofs == nil:
			p.proofs = map[string]record.Proof{}
			fallthrough
		default:
			p.proofs[l.Variant] = record.Proof(l.Verdict)
		}
	case wire.Sampling:
		p.drop()
		p.current = begin(p.in.At(), l)
		p.current.boot.Proofs, p.broken = p.proofs, p.unread
		p.proofs, p.unread = nil, ""
	case wire.Series:
		if p.begun() {
			p.check(p.current.add(l))
		}
	case wire.Singles:
		if p.begun() {
			p.check(p.current.addSingles(l))
		}
	case wire.SamplingEnd:
		if p.begun() {
			p.check(p.current.end(l))
		}
		if p.broken == "" {
			b, err := p.current.reduced()
			if err != nil {
				p.breaks("%s: %v", b.Source, err)
			} else {
				p.boots = append(p.boots, b)
			}
		}
		p.current = nil
		p.drop()
	}
}

// begun reports whether the line belongs to a boot that has begun.
func (p *parser) begun() bool {
	if p.current == nil {
		p.breaks("%s: samples without the line that begins a boot", p.in.At())
	}
	return p.current != nil
}

func (p *parser) check(err error) {
	if err != nil {
		p.breaks("%s: %v", p.in.At(), err)
	}
}

// drop ends the boot and, if the boot is left out, reports why.
func (p *parser) drop() {
	if p.current != nil {
		p.breaks("%s: the boot has no end", p.current.boot.Source)
	}
	switch {
	case p.broken == "" || len(p.damaged) > mostDamaged:
	case len(p.damaged) == mostDamaged:
		p.damaged = append(p.damaged, p.in.At()+": more damaged boots follow")
	default:
		p.damaged = append(p.damaged, p.broken)
	}
	p.current, p.broken = nil, ""
}

func begin(at string, s wire.Sampling) *console {
	m := s.Machine
	c := &console{counters: s.Counters, boot: Boot{ID: s.Boot, Source: at}}
	config := &c.boot.Config
	config.Code, c.boot.Hypervisor = s.Code, cmp.Or(m.Hypervisor, "-")
	config.CPU = fmt.Sprintf("%s, %s, signature %x", cmp.Or(m.CPU, "-"), cmp.Or(m.Vendor, "-"), m.Signature)
	config.Host = config.CPU
	return c
}

func (c *console) end(e wire.SamplingEnd) error {
	if e.Boot != c.boot.ID {
		return fmt.Errorf("the end of boot %x, but boot %x began", e.Boot, c.boot.ID)
	}
	if n := len(c.series) + len(c.singles); e.Lines != n {
		return fmt.Errorf("the guest sent %d lines of samples, %d came", e.Lines, n)
	}
	c.boot.StealTold, c.boot.Stolen, c.boot.Taken = e.StealTold, e.Stolen, e.Stolen
	for _, s := range c.series {
		if s.counter == wire.CounterTSC {
			c.boot.Taken += s.samples
		}
	}
	for _, s := range c.singles {
		c.boot.Taken += s.Samples
	}
	return nil
}

func (c *console) add(w wire.Series) error {
	if len(c.series) == mostSeries {
		return fmt.Errorf("more than %d lines of samples in one boot", mostSeries)
	}
	if _, twice := c.find(w.Label, w.Op, w.Counter); twice {
		return fmt.Errorf("%s of %s by %s comes twice", w.Op, w.Label, w.Counter)
	}
	c.series = append(c.series, series{label: w.Label, op: w.Op, counter: w.Counter, n: w.N, samples: w.Samples, quantiles: w.Quantiles})
	return nil
}

func (c *console) addSingles(w wire.Singles) error {
	if slices.ContainsFunc(c.singles, func(o wire.Singles) bool { return o.Label == w.Label && o.Op == w.Op }) {
		return fmt.Errorf("single operations %s of %s come twice", w.Op, w.Label)
	}
	c.singles = append(c.singles, w)
	return nil
}
