package report

import (
	"fmt"
	"html/template"
	"strings"

	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/chart"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/study"
	"github.com/entrylab/entrylab/measure/table"
)

// sources collects where the figures of a report come from. Each figure is a button that
// shows its source.
type sources struct {
	page study.Page
	list []source
	ids  map[sourceKey]int
}

type sourceKey struct {
	column       analysis.Column
	from, to, op string // from is empty for a cost
}

// source says where a figure comes from.
type source struct {
	ID    int
	Title string
	Facts []fact
}

type fact struct{ Name, Text string }

// button turns a cell into a button that shows where its figure comes from.
func (s *sources) button(c table.Cell, column analysis.Column, from, to, op string) table.Cell {
	if c == noFigure {
		return c
	}
	key := sourceKey{column, from, to, op}
	id, ok := s.ids[key]
	if !ok {
		id = len(s.list) + 1
		s.ids[key] = id
		s.list = append(s.list, s.source(id, key))
	}
	c.HTML = template.HTML(fmt.Sprintf(`<button type="button" popovertarget="source-%d">%s</button>`, id, template.HTMLEscapeString(chart.Minus(c.Text))))
	return c
}

// source says where a figure comes from: the two paths, and what was measured of each, on
// what.
func (s *sources) source(id int, k sourceKey) source {
	o := engine.OperationOf(k.op)
	src := source{ID: id, Title: o.Title}
	add := func(name, format string, args ...any) {
		if text := strings.TrimSpace(fmt.Sprintf(format, args...)); text != "" {
			src.Facts = append(src.Facts, fact{name, chart.Minus(text)})
		}
	}
	variants := []string{k.to}
	if k.from != "" {
		variants = []string{k.from, k.to}
		d := s.page.Difference(k.column, k.from, k.to, k.op)
		add("difference", "%s", d.Verdict())
		if d.Kind == analysis.Interval {
			add("interval", "%.3f to %.3f %s, 95 %%, over %d %ss; one differs from the next by %.2f", d.Low, d.High, d.Unit, d.N, engine.Of(k.column.Engine).Sample, d.SD)
		}
	}
	add("engine", "%s", k.column)
	var configs []record.Config
	for _, v := range variants {
		records := s.page.Records(k.column, v, k.op)
		if len(records) == 0 {
			continue
		}
		last := records[len(records)-1]
		add(s.page.Title(v), "%s %s", analysis.Cost(records), last.Unit)
		add("axes", "%s", last.Axes)
		add("proof", "%s", last.Proof)
		add("measured", "%s, %d %s of %d samples, each of %d %s", when(records), len(records), plural("run", len(records)), last.Batches, last.N, plural("operation", last.N))
		for _, r := range records {
			if len(configs) == 0 || configs[len(configs)-1] != r.Config {
				configs = append(configs, r.Config)
			}
		}
	}
	seen := map[record.Config]bool{}
	for _, c := range configs {
		if seen[c] {
			continue
		}
		seen[c] = true
		add("machine", "%s", c.Machine)
		add("CPU", "%s", c.CPU)
		add("emulator", "%s", c.Emulator)
		add("host", "%s", c.Host)
		add("microcode", "%s", c.Microcode)
		add("conditions", "%s", c.Conditions)
		add("kernel", "%s", c.Kernel)
		add("entrylab", "%s, code %s", c.Build, c.Code)
	}
	return src
}

// plural returns a noun for a number of things.
func plural(noun string, n int) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}
