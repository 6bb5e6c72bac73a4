package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/build"
	"github.com/entrylab/entrylab/measure/cycles"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/stubs"
)

// metal has no plan: a machine boots an image without a host, and its console is read.
const metal = "metal"

func init() {
	Register(Engine{
		Name: metal, Kind: Sampled, Unit: record.Cycles, Rank: 50, Ops: ops(record.Sampled),
		About:      "cycles of a machine that booted an image by itself",
		Includes:   wholeCall,
		Hypervisor: "-",
		Sample:     "boot",
	})
}

// Consoles reads the consoles of machines that booted an image on their own. What the
// guest found decides which engine each is. It also returns why boots are left out.
func Consoles(ctx context.Context, paths []string) (boots []cycles.Boot, damaged []string, err error) {
	if boots, damaged, err = cycles.ParseFiles(ctx, paths); err != nil {
		return nil, nil, err
	}
	if len(boots) == 0 {
		return nil, damaged, fmt.Errorf("no whole boot in %s: want the console of an image whose init was given the word sample", strings.Join(paths, ", "))
	}
	Resolve(boots)
	return boots, damaged, nil
}

// Resolve fills in what the guest of a console does not know: its engine and machine,
// and this program, which keeps the records.
func Resolve(boots []cycles.Boot) {
	for i := range boots {
		c := &boots[i].Config
		c.Build, c.Engine, c.Machine = build.Name(), onHypervisor(boots[i].Hypervisor), "host"
		if c.Engine != metal {
			c.Machine = "a console's"
		}
	}
}

// ConsoleRecords returns the records of boots from consoles, without those in old.
func ConsoleRecords(boots []cycles.Boot, old []record.Record) []record.Record {
	have := Boots(old)
	var records []record.Record
	for _, b := range boots {
		if slices.ContainsFunc(have, func(o cycles.Boot) bool { return o.ID == b.ID && Same(o.Config, b.Config) }) {
			continue
		}
		axes := map[string]string{}
		for _, v := range b.Variants() {
			axes[v] = consoleAxes(v)
		}
		records = append(records, b.Records(axes, time.Now())...)
	}
	return records
}

// consoleAxes returns the axes of a variant that is known only from a console: those of
// its name, none for Linux, and "own" for any other name.
func consoleAxes(name string) string {
	if n, err := stubs.ParseVariant(name); err == nil {
		return n.Axes.String()
	}
	if name == wire.Linux {
		return ""
	}
	return ownAxes
}
