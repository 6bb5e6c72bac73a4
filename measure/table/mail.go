package table

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
)

// MailWidth is how many columns a mail to a list of developers has.
const MailWidth = 72

// Mail returns the document of comparisons of the same two subjects by several engines,
// as plain text for a mail: the machine, the method, a table for each engine, and the
// command that makes it again, a word for each element. skipped are engines without figures,
// proofs the verdicts on subjects that are measured whatever the verdict.
func Mail(list []*analysis.Comparison, skipped []engine.Skipped, proofs map[string]record.Proof, command []string) *Document {
	d := &Document{Title: "entrylab bench-mail", List: true}
	first := list[0]
	subjects := []string{"A", "B"}
	for i, name := range subjects {
		d.mail(name+": ", first.Variants[i])
		if proof, ok := proofs[first.Variants[i]]; ok {
			d.mail("  ", proof.Of(first.Variants[i]))
		}
	}
	d.Add(Space)
	d.mail("Made by: ", "entrylab "+first.Config.Build)
	host := first // an emulator's figures do not say all of it
	if i := slices.IndexFunc(list, func(c *analysis.Comparison) bool { return !c.Engine.Emulated }); i >= 0 {
		host = list[i]
	}
	d.mail("Host: ", machineOf(host))
	for _, c := range list {
		d.Data = append(d.Data, dataOf(c, proofs))
		d.Add(Space)
		d.mail(c.Engine.Name+": ", strings.Join(method(c), "; ")+".")
		d.Add(Space, mailTable(c, subjects))
	}
	for _, s := range skipped {
		d.Add(Space)
		d.mail(s.Engine+": ", "no figures: "+s.Reason+".")
	}
	d.Add(Space, Line("To reproduce:"), Space)
	for _, line := range continued(command) {
		d.Add(Line("%s", line))
	}
	return d
}

// continued breaks a command line where a shell goes on with the next line: between
// words, or inside a word that is longer than a line, where the next line begins without
// an indent.
func continued(command []string) []string {
	const indent, goesOn = "    ", `\`
	lines, line := []string{}, indent
	for _, word := range command {
		if line != indent {
			if utf8.RuneCountInString(line+" "+word+" "+goesOn) > MailWidth {
				lines, line = append(lines, line+" "+goesOn), indent
			} else {
				line += " "
			}
		}
		for _, r := range word {
			if utf8.RuneCountInString(line) == MailWidth-len(goesOn) {
				lines, line = append(lines, line+goesOn), ""
			}
			line += string(r)
		}
	}
	return append(lines, line)
}

// mail adds a paragraph that begins with a word and is as wide as a mail.
func (d *Document) mail(begin, text string) {
	indent := "  "
	for i, line := range folded(begin+text, MailWidth-len(indent)) {
		if i > 0 {
			line = indent + line
		}
		d.Add(Line("%s", line))
	}
}

// folded breaks a text into lines of at most so many columns. A longer word is cut.
func folded(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines, line = append(lines, line), ""
		}
		for utf8.RuneCountInString(word) > width {
			runes := []rune(word)
			lines, word = append(lines, string(runes[:width])), string(runes[width:])
		}
		line = strings.TrimSpace(line + " " + word)
	}
	return append(lines, line)
}

// machineOf names what the host is.
func machineOf(c *analysis.Comparison) string {
	text := c.Config.Host
	if c.Config.Microcode != "" {
		text += ", microcode " + c.Config.Microcode
	}
	if c.Config.Conditions != "" {
		text += ", " + c.Config.Conditions
	}
	if c.Config.Kernel != "" {
		text += ", Linux " + c.Config.Kernel
	}
	return text
}

// method says how an engine came to its figures, and what shows that they are right.
func method(c *analysis.Comparison) []string {
	e := c.Engine
	words := []string{e.About}
	if e.VM != "" {
		on := fmt.Sprintf("machine %s, CPU %s", c.Config.Machine, c.Config.CPU)
		if c.Config.Emulator != "" {
			on += ", " + c.Config.Emulator
		}
		words = append(words, on)
	}
	if e.Kind == engine.Exact {
		exact := "exact: the same in every run"
		if slices.ContainsFunc(c.Rows, func(r analysis.Row) bool { return slices.ContainsFunc(r.Values[:2], varies) }) {
			exact += ", but for those with ~, medians of samples that differ"
		}
		words = append(words, exact)
	} else {
		words = append(words, fmt.Sprintf("%d %ss in turn, intervals of 95 %%", c.Units, e.Sample))
		if why := e.MeaninglessOn(c.Config.Host); why != "" {
			words = append(words, "MEANINGLESS as cycles: "+why)
		}
		for _, k := range c.Controls {
			if k.Op == c.Rows[0].Op.Op && (len(e.Forms) == 0 || k.Form == e.Forms[0]) {
				words = append(words, fmt.Sprintf("control %s, must be %+g: %v", k.Name, k.Truth, k.Estimate))
			}
		}
	}
	if e.Unseen != "" {
		words = append(words, e.Unseen)
	}
	for i, v := range c.Variants {
		for _, cut := range c.Account.Cuts {
			if cut.Label == v {
				words = append(words, fmt.Sprintf("of %c the assembly alone, %d of its %d instructions", 'A'+i, cut.Entry+cut.Exit, cut.All))
			}
		}
		if len(c.Checks) > 0 {
			words = append(words, fmt.Sprintf("checks of %c: %s", 'A'+i, checks(c, v)))
		}
		if why := c.Account.Apart[v]; why != "" {
			words = append(words, fmt.Sprintf("%c is not compared: %s", 'A'+i, why))
		}
	}
	return words
}

// mailTable has a row for each operation in the engine's first form. Costs of an engine
// that does not run the whole of a call are left out.
func mailTable(c *analysis.Comparison, subjects []string) Block {
	e := c.Engine
	head := append([]string{c.Unit()}, subjects...)
	if e.Unseen != "" {
		head = head[:1]
	}
	rows := [][]string{append(head, "B - A")}
	for _, r := range c.Rows {
		switch {
		case r.Group != "" && record.IsPart(r.Op.Op): // counts of parts would fill the mail
			continue
		case r.Form != firstForm(c, r.Op.Op), len(r.Values[0].Records)+len(r.Values[1].Records) == 0:
			continue
		}
		row := []string{r.Short}
		if r.Group != "" {
			row[0] = r.Op.Op
		}
		for _, v := range r.Values[:2] {
			switch {
			case e.Unseen != "":
			case e.Kind == engine.Exact:
				row = append(row, mailCount(v))
			case len(v.Records) == 0:
				row = append(row, "-")
			default:
				row = append(row, figure(&v.Mean))
			}
		}
		rows = append(rows, append(row, mailDifference(e, r.Values[1])))
	}
	return Of(rows)
}

// varies reports whether a count is not the same in every sample.
func varies(v analysis.Value) bool {
	return len(v.Records) > 0 && !v.Records[len(v.Records)-1].Exact()
}

// mailCount prints a median, marked if it varies: two ranges are wider than a mail.
func mailCount(v analysis.Value) string {
	if varies(v) {
		return fmt.Sprintf("~%g", v.Records[len(v.Records)-1].Median)
	}
	return count(v)
}

// firstForm returns the first form in which an operation was measured.
func firstForm(c *analysis.Comparison, op string) string {
	i := slices.IndexFunc(c.Rows, func(r analysis.Row) bool { return r.Op.Op == op })
	return c.Rows[i].Form
}

// mailDifference returns the difference of B from A, with its interval.
func mailDifference(e engine.Engine, v analysis.Value) string {
	switch d := v.Difference; {
	case v.Noisy != "":
		return "too noisy"
	case e.Kind == engine.Exact:
		return difference(v)
	case d.Kind != analysis.Interval:
		return "-"
	case !d.Seen():
		return sample(v, false)
	case len(v.ReadAs) > 0:
		return fmt.Sprintf("step %+.1f", d.Value)
	default:
		return fmt.Sprintf("%s [%s, %s]", analysis.Short(d.Value), analysis.Short(d.Low), analysis.Short(d.High))
	}
}
