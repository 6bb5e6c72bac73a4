package wire

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Command is what the host asks the guest to do: init's command line. The zero
// Command verifies and measures, under every variant.
type Command struct {
	// Verify, Measure, Sample, Trace, Events, Breakpoints, Rain and Readings say what to do, in
	// this order; if none is set, Verify and Measure are meant.
	Verify, Measure, Sample, Trace, Events, Breakpoints, Rain, Readings bool
	// Variants are the names of the variants to run; nil means all.
	Variants []string
	// Group is the group of checks that Verify makes; empty means all.
	Group string
	// Operation is the operation that Measure counts; empty means all.
	Operation string
	// Call is the call that Trace makes; nil means a round of Operation, or getppid if that
	// is empty.
	Call *Call
	// Seed determines random patterns and orders; Samples is the number of samples
	// to take of an operation, or of events that rain. Their zeros mean DefaultSeed and DefaultSamples.
	Seed    uint64
	Samples int
}

// What the zeros of a Command mean. DefaultSamples samples of an operation
// take about a second on a current CPU.
const (
	DefaultSeed    = 1
	DefaultSamples = 2000
)

// Flags of a Command, and the word for all variants.
const (
	flagVariants  = "variants"
	flagGroup     = "group"
	flagOperation = "operation"
	flagCall      = "call"
	flagSeed      = "seed"
	flagSamples   = "samples"
	allVariants   = "all"
)

// betweenNames separates names of variants. A name may be a list of axes, which has
// commas.
const betweenNames = "/"

// step is a word of a Command and the field that it sets.
type step struct {
	word string
	on   *bool
}

func (c *Command) steps() []step {
	return []step{
		{"verify", &c.Verify},
		{"measure", &c.Measure},
		{"sample", &c.Sample},
		{"trace", &c.Trace},
		{"events", &c.Events},
		{"breakpoints", &c.Breakpoints},
		{"rain", &c.Rain},
		{"readings", &c.Readings},
	}
}

// Words returns the command as words of init.
func (c Command) Words() []string {
	var words []string
	for _, s := range c.steps() {
		if *s.on {
			words = append(words, s.word)
		}
	}
	if c.Variants != nil {
		words = append(words, "-"+flagVariants+"="+strings.Join(c.Variants, betweenNames))
	}
	if c.Group != "" {
		words = append(words, "-"+flagGroup+"="+c.Group)
	}
	if c.Operation != "" {
		words = append(words, "-"+flagOperation+"="+c.Operation)
	}
	if c.Call != nil {
		words = append(words, "-"+flagCall+"="+c.Call.String())
	}
	if c.Seed != 0 {
		words = append(words, "-"+flagSeed+"="+strconv.FormatUint(c.Seed, 10))
	}
	if c.Samples != 0 {
		words = append(words, "-"+flagSamples+"="+strconv.Itoa(c.Samples))
	}
	return words
}

// ParseCommand reads init's words. Steps and flags may come in any order.
func ParseCommand(words []string) (Command, error) {
	var c Command
	f := flag.NewFlagSet("init", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Func(flagVariants, "", func(text string) error {
		c.Variants = nil
		if text != allVariants {
			c.Variants = strings.Split(text, betweenNames)
		}
		return nil
	})
	f.StringVar(&c.Group, flagGroup, "", "")
	f.StringVar(&c.Operation, flagOperation, "", "")
	f.Func(flagCall, "", func(text string) (err error) {
		c.Call, err = parseCall(text)
		return err
	})
	f.Uint64Var(&c.Seed, flagSeed, 0, "")
	f.Func(flagSamples, "", func(text string) (err error) {
		if c.Samples, err = strconv.Atoi(text); err == nil && c.Samples < 1 {
			err = errors.New("want at least 1")
		}
		return err
	})
next:
	for {
		if err := f.Parse(words); err != nil {
			return Command{}, fmt.Errorf("command line: %w", err)
		}
		if words = f.Args(); len(words) == 0 {
			return c, nil
		}
		for _, s := range c.steps() {
			if s.word == words[0] {
				*s.on = true
				words = words[1:]
				continue next
			}
		}
		return Command{}, fmt.Errorf("command line: %q is none of verify, measure, sample, trace, events, breakpoints and readings", words[0])
	}
}
