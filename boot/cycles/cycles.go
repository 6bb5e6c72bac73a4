// Package cycles makes figures of samples that the guest took where ticks are
// cycles: under KVM, or on a machine that booted an image by itself. In the flow
// (variant, listing, machine code, image, machine, lines, results, table) it
// goes from the lines to the results.
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

	"github.com/entrylab/entrylab/boot/lab"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/stubs"
)

// Config is a run of many boots.
type Config struct {
	// Variants are compared with the first; the floor may be among them.
	Variants []stubs.Named
	// VM is the machine.
	VM vm.Config
	// Boots and Samples are how many; 0 stands for the defaults, of boots here
	// and of samples the guest's.
	Boots, Samples int
	// Progress, if not nil, is told of each step as it begins.
	Progress func(step string)
}

// DefaultBoots gives an interval of half the boots' standard deviation.
const DefaultBoots = 20

// Run boots the variants many times, each time at other addresses, and analyses
// what the guest sampled. A Result may come with a NoiseError.
func Run(ctx context.Context, c Config) (*Result, error) {
	n := c.Boots
	if n == 0 {
		n = DefaultBoots
	}
	var boots []Boot
	for i := range n {
		args := []string{"sample", "-seed", fmt.Sprint(i + 1)}
		if c.Samples > 0 {
			args = append(args, "-samples", fmt.Sprint(c.Samples))
		}
		if c.Progress != nil {
			c.Progress(fmt.Sprintf("boot %d of %d", i+1, n))
		}
		// The same seeds in every run, so that a run leaves no images behind that
		// the next one could not use.
		config := lab.Config{Variants: c.Variants, Args: args, VM: c.VM, Placement: uint64(i + 1)}
		var console strings.Builder
		run, err := lab.RunGuest(ctx, config, func(line string) { console.WriteString(line + "\n") })
		if err != nil && run != nil {
			return nil, fmt.Errorf("boot %d: %w\n%s", i+1, err, run.VM.Report())
		}
		if err != nil {
			return nil, err
		}
		got, damaged, err := Parse(fmt.Sprintf("boot %d", i+1), strings.NewReader(console.String()))
		if err != nil {
			return nil, err
		}
		if len(damaged) > 0 || len(got) != 1 {
			return nil, fmt.Errorf("boot %d: %d runs of samples, want 1%s", i+1, len(got), strings.Join(append([]string{""}, damaged...), "; "))
		}
		boots = append(boots, got[0])
	}
	res, err := Analyse(boots, names(c.Variants))
	if res != nil {
		res.Placed = true
	}
	return res, err
}

func names(list []stubs.Named) []string {
	all := make([]string, len(list))
	for i, n := range list {
		all[i] = n.Name
	}
	return all
}
