package table

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/measure/analysis"
)

// notAffected is what Linux says of a CPU without a vulnerability.
const notAffected = "Not affected"

// vulnerabilities adds what each real kernel says about the CPU. Those that no kernel
// is affected by have a line together.
func (d *Document) vulnerabilities(c *analysis.Comparison) {
	kernels := slices.DeleteFunc(slices.Clone(c.Variants), func(v string) bool { return len(c.Vulnerabilities[v]) == 0 })
	said := map[string]map[string]string{} // by vulnerability and kernel
	for _, k := range kernels {
		for _, v := range c.Vulnerabilities[k] {
			if said[v.Name] == nil {
				said[v.Name] = map[string]string{}
			}
			said[v.Name][k] = v.State
		}
	}
	if len(said) == 0 {
		return
	}
	rows := &Table{Name: "vulnerabilities", Words: true, Key: NoKey, Head: []string{"vulnerability", "kernel", "what it says"}}
	var none []string
	for _, name := range slices.Sorted(maps.Keys(said)) {
		states := said[name]
		affected, same := false, len(states) == len(kernels)
		for _, state := range states {
			affected = affected || state != notAffected
			same = same && state == states[kernels[0]]
		}
		switch {
		case !affected:
			none = append(none, name)
		case same && len(kernels) > 1:
			rows.Add(name, "each", states[kernels[0]])
		default:
			for _, k := range kernels {
				rows.Add(name, k, cmp.Or(states[k], "-"))
			}
		}
	}
	d.Add(Space)
	if len(rows.Rows) > 0 {
		d.Add(Line("/sys/devices/system/cpu/vulnerabilities on CPU %s", c.Config.CPU), Space, Block{Table: rows})
	}
	if len(none) > 0 {
		d.Add(Line("not affected by: %s", strings.Join(none, ", ")))
	}
}
