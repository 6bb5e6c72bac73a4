// Package cycles makes figures of samples that the guest took where ticks are
// cycles: under KVM, or on a machine that booted an image by itself.
//
// The guest (guest/measure, Sample) times each operation under every variant
// thousands of times, alternating in random order, and sends the quantiles of
// each series. Its lines carry sums, since they may have come over a wire: a boot
// with a damaged line, or with one missing, is left out as a whole.
//
// Samples of one boot share its luck, so a boot counts as one: its figure is the
// mean of the samples between 5 % and 25 %, a difference is one of two figures
// of the same boot, and the interval comes from resampling boots (package
// stats). Every boot carries what proves the run: the base a second time (A/A),
// two loops that differ in a chain of one cycle more (+1 cycle), the resolution
// of the clock, the empty loop, and the floor. A run whose controls fail is
// refused.
package cycles

import (
	"context"
	"fmt"
	"strings"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/record"
)

// DefaultBoots gives an interval of half the boots' standard deviation.
const DefaultBoots = 20

// Words are init's, which make the guest sample: the order of samples follows
// from the boot's number, and how many it takes of each is given; 0 leaves that
// to the guest.
func Words(number, samples int) []string {
	return wire.Command{Sample: true, Seed: uint64(number), Samples: samples}.Words()
}

// Sample boots a prepared machine, whose init is given the Words of the boot of
// that number, and returns what it sampled. c is what the boot is measured
// with.
func Sample(ctx context.Context, m vm.Config, number int, c record.Config) (Boot, error) {
	var console strings.Builder
	source := fmt.Sprintf("boot %d", number)
	run, err := boot.RunPrepared(ctx, m, func(line string) { console.WriteString(line + "\n") })
	switch {
	case run == nil:
		return Boot{}, fmt.Errorf("%s: %w", source, err)
	case !run.Complete: // Linux ends by a reset, so the summary is the verdict
		return Boot{}, fmt.Errorf("%s: %w\n%s", source, err, run.VM.Report())
	}
	for _, check := range run.Checks {
		if check.Outcome == wire.Fail || check.Outcome == wire.Error {
			return Boot{}, fmt.Errorf("%s: %s: %s (%s)", source, check.Outcome, check.Name, check.Detail)
		}
	}
	return booted(source, console.String(), number, c)
}

// booted is the boot that a console tells of.
func booted(source, console string, number int, c record.Config) (Boot, error) {
	got, damaged, err := Parse(source, strings.NewReader(console))
	switch {
	case err != nil:
		return Boot{}, err
	case len(damaged) > 0:
		return Boot{}, fmt.Errorf("%s: %s", source, strings.Join(damaged, "; "))
	case len(got) != 1:
		return Boot{}, fmt.Errorf("%s: %d runs of samples, want 1", source, len(got))
	case got[0].Config.Engine != c.Engine:
		return Boot{}, fmt.Errorf("%s: the guest finds itself on %s, want %s", source, got[0].Config.Engine, c.Engine)
	}
	b := got[0]
	b.ID, b.Source, b.Config = uint64(number), source, c
	return b, nil
}
