package certified

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot/linux"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/golden"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/trace"
	"github.com/entrylab/entrylab/stubs"
)

var every = flag.Bool("every", false, "hold each preset against each image, also the newest and with words to boot it with")

var further = flag.String("image", "", "with -update: an image to certify the presets by, beside those that make linux fetches")

// pairs are the presets that are held against a release of Linux, with the words that
// the kernel is booted with.
var pairs = []struct{ release, preset, words string }{
	{"6.1.", "linux-6.12", ""}, // the assembly is that of 6.12; the C is not
	{"6.12.", "linux-6.12", ""},
	{"6.12.", "linux-6.12+pti", "pti=on nopcid"},
	{"7.", "linux-6.12", ""},
	{"7.", "linux-7.0", ""},
	{"7.2.", "linux-7.2", ""}, // the newest preset
}

// pathOf follows a null call of a preset.
func pathOf(ctx context.Context, preset string) (trace.Path, error) {
	v, err := stubs.ParseVariant(preset)
	if err != nil {
		return trace.Path{}, err
	}
	list := []stubs.Variant{v}
	m, err := trace.Prepare(ctx, list, vm.Config{})
	if err != nil {
		return trace.Path{}, err
	}
	paths, err := trace.Paths(ctx, list, m)
	if err != nil {
		return trace.Path{}, err
	}
	return paths[0], nil
}

// known are the paths of real kernels that were followed already, by file and words.
var known = map[[2]string]trace.Path{}

// followed follows a null call of a real kernel.
func followed(ctx context.Context, image, words string) (trace.Path, error) {
	if p, ok := known[[2]string{image, words}]; ok {
		return p, nil
	}
	kernel, err := engine.NewLinux(ctx, image, words)
	if err != nil {
		return trace.Path{}, err
	}
	m, err := kernel.Machine(ctx, vm.Config{Engine: vm.ICount}, wire.Command{Trace: true})
	if err != nil {
		return trace.Path{}, err
	}
	p, _, err := trace.Linux(ctx, m, nil)
	if err == nil {
		known[[2]string{image, words}] = p
	}
	return p, err
}

// certify holds a preset against an image.
func certify(ctx context.Context, image, preset, words string) (Certificate, error) {
	c := Certificate{Preset: preset, Words: words, CPU: vm.DefaultCPU, Machine: string(vm.MicroVM)}
	im, err := linux.Open(ctx, image)
	if err != nil {
		return c, err
	}
	c.Version, c.Release = im.Version, im.Release
	if c.SHA256, err = im.Hash(ctx); err != nil {
		return c, err
	}
	real, err := followed(ctx, image, words)
	if err != nil {
		return c, err
	}
	path, err := pathOf(ctx, preset)
	if err != nil {
		return c, err
	}
	c.NullCall = len(real.Steps)
	c.Stages, err = trace.Agree(real, path)
	return c, err
}

// images returns the images that make linux fetches, and that of -image.
func images(t *testing.T) []string {
	need.QEMU(t)
	list := append([]string{need.Linux(t)}, need.NewerLinux()...)
	if *further != "" {
		list = append(list, *further)
	}
	return list
}

// TestCertified: the table says what the images that are there execute, if it knows them.
// Of one that is newer than the table only what is true of each release is held: the
// preset has almost all of its assembly entry.
func TestCertified(t *testing.T) {
	table := slices.Clone(all)
	for _, image := range images(t) {
		im, err := linux.Open(t.Context(), image)
		if err != nil {
			t.Fatal(err)
		}
		for _, pair := range pairs {
			asked := pair.words == "" && !strings.HasPrefix(im.Release, "7.") || *every || *golden.Update
			if !strings.HasPrefix(im.Release, pair.release) || !asked {
				continue
			}
			got, err := certify(t.Context(), image, pair.preset, pair.words)
			if err != nil {
				t.Fatal(err)
			}
			at := slices.IndexFunc(table, func(c Certificate) bool {
				return c.SHA256 == got.SHA256 && c.Preset == got.Preset && c.Words == got.Words
			})
			switch {
			case *golden.Update && at >= 0:
				table[at] = got
			case *golden.Update:
				table = append(table, got)
			case at >= 0:
				if !reflect.DeepEqual(table[at], got) {
					t.Errorf("the table says\n%v, %d instructions; now it is\n%v, %d instructions", table[at], table[at].NullCall, got, got.NullCall)
				}
			default:
				t.Logf("not in the table (-update adds it): %v", got)
				most(t, got)
			}
		}
	}
	if *golden.Update {
		text, err := json.MarshalIndent(table, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("certified.json", append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// most holds that a preset has almost all of the assembly of a kernel that is not known.
func most(t *testing.T, c Certificate) {
	const least = 90 // percent
	for _, s := range c.Stages {
		if s.Stage == trace.AssemblyEntry && 100*s.Same < least*s.Of {
			t.Errorf("%v: of the %v only %d of %d", c, s.Stage, s.Same, s.Of)
		}
	}
}

// TestTable: each row is complete, and of a preset that is there.
func TestTable(t *testing.T) {
	if len(all) == 0 {
		t.Fatal("the table is empty")
	}
	for _, c := range all {
		if _, err := stubs.ParseVariant(c.Preset); err != nil {
			t.Error(err)
		}
		sum := 0
		for _, s := range c.Stages {
			sum += s.Of
			more := 0
			for _, o := range s.Other {
				more += o.More
			}
			inC := s.Stage != trace.AssemblyEntry && s.Stage != trace.AssemblyExit
			if s.Same > min(s.Of, s.Here) || s.Of < 1 || inC && more != s.Here-s.Of {
				t.Errorf("%v: %+v", c, s)
			}
		}
		if len(c.SHA256) != 64 || !strings.HasPrefix(c.Version, "Debian ") || len(c.Stages) < 3 || sum >= c.NullCall {
			t.Errorf("%+v", c)
		}
		if !slices.ContainsFunc(Of(c.Preset), func(o Certificate) bool { return o.SHA256 == c.SHA256 }) {
			t.Errorf("%v is not among those of its preset", c)
		}
	}
	if len(Of("linux-3.19")) > 0 {
		t.Error("linux-3.19 is certified")
	}
}

// TestOther: another preset does not agree as much, so the figures can tell.
func TestOther(t *testing.T) {
	image := images(t)[0]
	good, err := certify(t.Context(), image, "linux-6.12", "")
	if err != nil {
		t.Fatal(err)
	}
	bad, err := certify(t.Context(), image, "linux-4.6", "")
	if err != nil {
		t.Fatal(err)
	}
	if g, b := good.Stages[0], bad.Stages[0]; g.Same <= b.Same || g.Of != b.Of {
		t.Errorf("of the %v, linux-6.12 has %d of %d, linux-4.6 %d of %d", g.Stage, g.Same, g.Of, b.Same, b.Of)
	}
}
