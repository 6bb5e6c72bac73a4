package study

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/internal/golden"
	"github.com/entrylab/entrylab/internal/tomlfile"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/record/recordtest"
)

// TestQuestionsPage: docs/questions.md has every question, with its changes, trades and
// published figures, and the example of a question of one's own.
func TestQuestionsPage(t *testing.T) {
	example, err := os.ReadFile("../../examples/question.toml")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString(`# The questions

A study asks a question about entry paths on every engine that a host has, and answers with a page: first a sentence, yes, no or what
it depends on, by how much and how sure; then the table, each change beside what was published about it, and the limits. These are the
questions; [results](results.md) has answers.

This page is made from the files in measure/study/questions.
`)
	parts := map[string]bool{}
	for _, q := range Questions() {
		if parts[q.Name] {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s `entrylab study -question %s` asks it", q.Name, q.Ask, q.Name)
		if q.Name == Mail().Name {
			b.WriteString(", as `entrylab study` does by itself")
		}
		b.WriteString(".\n")
		if q.About != "" {
			b.WriteString("\n" + strings.TrimSpace(q.About) + "\n")
		}
		fmt.Fprintf(&b, "\nA yes says that this is %s: %s.", q.Claim, strings.Join(q.Answers, ", "))
		if len(q.Operations) > 0 {
			fmt.Fprintf(&b, " It is asked of: %s.", strings.Join(q.Operations, ", "))
		}
		b.WriteString("\n")
		for i, p := range q.Parts {
			if parts[p.Name] = true; i == 0 {
				b.WriteString("\nParts of it are questions of their own:\n\n")
			}
			fmt.Fprintf(&b, "* `-question %s`, of %s: %s\n", p.Name, p.Change, p.Ask)
		}
		for _, c := range q.Changes {
			fmt.Fprintf(&b, "\n**%s**: %s.\n\n", c.Key, c.Title)
			for i, p := range c.pairs() {
				fmt.Fprintf(&b, "* from %s to %s%s\n", q.inPage(p[0]), q.inPage(p[1]), map[bool]string{true: ", the headline"}[i == 0 && len(c.Contexts) > 0])
			}
			if c.Exit {
				b.WriteString("\nOnly an engine that runs the instruction at the end of a call can tell these apart.\n")
			}
			for _, f := range q.Figures {
				if f.Change == c.Key {
					fmt.Fprintf(&b, "\nPublished: %s (%s).\n", f.Text, f.Source)
				}
			}
		}
		if len(q.Trades) > 0 {
			b.WriteString("\nThe path that fills the frame at once makes each ordinary call dearer and each call that needs full pt_regs cheaper. From which\n" +
				"share of such calls on is it the cheaper one?\n\n| instead of | take |\n|---|---|\n")
			for _, trade := range q.Trades {
				fmt.Fprintf(&b, "| %s | %s |\n", q.inPage(trade.Lazy), q.inPage(trade.Eager))
			}
		}
		for i, l := range q.Limits {
			if i == 0 {
				b.WriteString("\nLimits:\n\n")
			}
			b.WriteString("* " + l + "\n")
		}
	}
	b.WriteString(`
## A question of your own

A question is a file in TOML. This one is [examples/question.toml](../examples/question.toml); ` + "`entrylab study -question\n./examples/question.toml`" + ` asks it.

` + "```toml\n" + string(example) + "```\n" + `
` + fmt.Sprintf("The keys are %s.\n", strings.Join(tomlfile.Keys(Question{}), ", ")) + `A change without from begins with base. contexts are further pairs that differ by the
same change; exit = true says that the two differ in the instruction that ends a call. claim is ` + fmt.Sprintf("%q, %q or %q", NoDearer, Cheaper, Dearer) + `, and answers
has the keys of the changes that it is about, by default the first. operations may be
` + strings.Join(operations(), ", ") + `; the first decides, the others can say the contrary. numbers = true asks how
many instructions lead to the handler of each number, cycles = true says that counts cannot answer. A published figure has a unit, ` + "`cycles`, `instructions` or `percent`" + ` of a call, if it can be compared. trades ask for break-even rates, names
are for readers, frames are drawn in a report, limits end the page. A part asks the question of one change by itself:
` + "`-question ./mine.toml:NAME`" + `.
`)
	golden.Same(t, "../../docs/questions.md", b.String())
}

// inPage returns a variant of a question as the page has it: a preset's name, or the one
// that readers see with the axes that make it.
func (q Question) inPage(written string) string {
	if n := q.names[written]; q.Title(n) != n {
		return fmt.Sprintf("%s (`%s`)", q.Title(n), written)
	}
	return "`" + written + "`"
}

// TestQuestions: every question is a whole one.
func TestQuestions(t *testing.T) {
	for _, q := range Questions() {
		for _, c := range q.Changes {
			from, to := c.Ends()
			if !q.has(from) || !q.has(to) || from == to {
				t.Errorf("%s: %s: %s -> %s is no step of the plan", q.Name, c.Key, from, to)
			}
		}
		if !strings.HasSuffix(q.Ask, "?") {
			t.Errorf("%s asks nothing: %s", q.Name, q.Ask)
		}
		if last := q.variants[len(q.variants)-1]; !last.Axes.Bare {
			t.Errorf("%s: the last variant is %s, want the floor", q.Name, last.Name)
		}
	}
	if Mail().Name != first {
		t.Errorf("the first question is %s, want %s", Mail().Name, first)
	}
}

// TestFind: a question is found by its name or by its file; the error of one that is not
// there lists them.
func TestFind(t *testing.T) {
	for _, tt := range []struct{ name, find, want, err string }{
		{"by name", "mail", "mail", ""},
		{"a file", "../../examples/question.toml", "question", ""},
		{"a part", "a", "a", ""},
		{"a part of a file", "questions/mail.toml:c", "c", ""},
		{"no such part", "questions/mail.toml:d", "", `mail has no part "d": did you mean a? want one of a, b, c`},
		{"no such name", "dispatsch", "", `no question "dispatsch": did you mean dispatch? want mail, `},
		{"no such file", "./none.toml", "", "no such file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q, err := Find(t.Context(), tt.find)
			if tt.err == "" && (err != nil || q.Name != tt.want) {
				t.Errorf("found %q, error %v, want %s", q.Name, err, tt.want)
			}
			if tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("error is %v, want %q in it", err, tt.err)
			}
		})
	}
}

// TestParseErrors: what is wrong with a file is one sentence with the line.
func TestParseErrors(t *testing.T) {
	const head = "question = 'Is it so?'\nbase = 'linux-4.1'\n"
	change := func(more string) string {
		return head + "[[change]]\nkey = 'a'\ntitle = 't'\nto = 'linux-4.2'\n" + more
	}
	for _, tt := range []struct{ name, text, want string }{
		{"right", change(""), ""},
		{"no TOML", "question: so", "q.toml:1: "},
		{"nothing", "", "q.toml:1: no question: want a sentence"},
		{"no change", head, "q.toml:1: no [[change]]"},
		{"a wrong key", change("form = 'x'\n"), `q.toml:7: no key "change.form": did you mean from? want key, title, from, to, contexts, exit`},
		{"no such claim", "claim = 'cheper'\n" + change(""), `q.toml:1: no claim "cheper": did you mean cheaper?`},
		{"no such variant", head + "[[change]]\nkey = 'a'\ntitle = 't'\nto = 'linux-4.3'\n", `q.toml:6: variant "linux-4.3": no such preset`},
		{"an impossible variant", head + "[[change]]\nkey = 'a'\ntitle = 't'\nto = 'linux-3.19+exit=iret'\n", `q.toml:6: variant "linux-3.19+exit=iret" is impossible`},
		{"no key", head + "[[change]]\ntitle = 't'\nto = 'linux-4.2'\n", "q.toml:5: a [[change]] without a key"},
		{"a key twice", change("[[change]]\nkey = 'a'\ntitle = 't'\nto = 'linux-4.6'\n"), `q.toml:4: change "a" stands there twice`},
		{"no from", "question = 'Is it so?'\n[[change]]\nkey = 'a'\ntitle = 't'\nto = 'linux-4.2'\n", `q.toml:3: change "a": want to, and from or a base`},
		{"no difference", head + "[[change]]\nkey = 'a'\ntitle = 't'\nto = 'linux-4.1'\n", `q.toml:4: change "a": linux-4.1 and linux-4.1 are the same variant`},
		{"a context of three", change("contexts = [['linux-4.1', 'linux-4.2', 'linux-4.6']]\n"), `q.toml:4: change "a": a context is two variants`},
		{"no such answer", "answers = ['b']\n" + change(""), `q.toml:1: no change "b": did you mean a? want one of a`},
		{"no such operation", "operations = ['null-cal']\n" + change(""), `q.toml:1: no operation "null-cal": did you mean null-call?`},
		{"published without a source", change("[[published]]\nchange = 'a'\ntext = 'x'\n"), "q.toml:7: a [[published]] figure wants a text and a source"},
		{"published of no change", change("[[published]]\nchange = 'c'\ntext = 'x'\nsource = 'y'\n"), `q.toml:8: no change "c"`},
		{"no such unit", change("[[published]]\nchange = 'a'\ntext = 'x'\nsource = 'y'\nunit = 'cylces'\n"), `q.toml:11: no unit "cylces": did you mean cycles?`},
		{"low above high", change("[[published]]\nchange = 'a'\ntext = 'x'\nsource = 'y'\nlow = 2\nhigh = 1\n"), "q.toml:9: low is 2, above high, 1"},
		{"a part without a question", change("[[part]]\nname = 'x'\nchange = 'a'\n"), "q.toml:7: a [[part]] without a name or without a question"},
		{"a part of no change", change("[[part]]\nname = 'x'\nchange = 'y'\nquestion = 'Is it?'\n"), `q.toml:9: no change "y"`},
		{"a trade of what is not measured", change("[[trade]]\nlazy = 'linux-3.19'\neager = 'linux-4.2'\n"), "q.toml:8: linux-3.19 is in no change"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("q.toml", []byte(tt.text))
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.want)) {
				t.Errorf("error is %v, want one that begins with %q", err, tt.want)
			}
		})
	}
}

// TestNumbers: the page of a question about numbers has the way to the handler by number,
// and the answer says where it depends on the number.
func TestNumbers(t *testing.T) {
	q, err := Find(t.Context(), "dispatch")
	if err != nil {
		t.Fatal(err)
	}
	from, to := q.change("tree").Ends()
	p := NewPage(q, []record.Record{recordtest.Counted(from, nullCall, 105), recordtest.Counted(to, nullCall, 134)}, nil)
	list, err := p.Numbers()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string][]int{}
	for _, b := range list {
		counts[b.Variant] = b.Counts
	}
	table, tree := counts[from], counts[to]
	if len(table) < 463 || len(tree) != len(table) || slices.Min(table) != slices.Max(table) || slices.Min(tree) == slices.Max(tree) {
		t.Errorf("the counts of the table are %v,\nof the tree %v", table, tree)
	}
	var b bytes.Buffer
	if err := p.Document().Write(&b, "text"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"by the call's number, of 0 to 462", "6.12, table   ", "the way to the handler: +"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	for _, tt := range []struct {
		name     string
		from, to []int
		want     string
		mixed    bool
	}{
		{"dearer", []int{5, 5, 5}, []int{6, 9, 5}, "the way to the handler: 0 to +4 instructions, by the call's number (2 of 3 are dearer, 0 cheaper)", false},
		{"mixed", []int{5, 5}, []int{4, 9}, "the way to the handler: -1 to +4 instructions, by the call's number (1 of 2 are dearer, 1 cheaper)", true},
		{"all alike", []int{5, 5}, []int{6, 6}, "the way to the handler: +1 instructions, whatever the call's number (2 of 2 are dearer, 0 cheaper)", false},
	} {
		if s := across(tt.from, tt.to); s.String() != tt.want || s.mixed() != tt.mixed {
			t.Errorf("%s: %q, mixed %v, want %q, %v", tt.name, s, s.mixed(), tt.want, tt.mixed)
		}
	}
	if list, err := NewPage(Mail(), nil, nil).Numbers(); list != nil || err != nil {
		t.Errorf("the mail, which asks about no number, has %d lists, error %v", len(list), err)
	}
}
