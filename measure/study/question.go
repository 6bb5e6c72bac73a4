// Package study asks questions about entry paths: what does each part of a change cost,
// on each engine, and is it worth it? A question is data, a file in TOML; the package
// has those that it is asked for by name, reads those of users, and words the answer of
// package analysis as a page.
package study

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/bounded"
	"github.com/entrylab/entrylab/internal/near"
	"github.com/entrylab/entrylab/internal/tomlfile"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/stubs"
)

// Question is what a study asks. A variant in it is written as on the command line.
type Question struct {
	// Name is that of its file, without the extension.
	Name string `toml:"-"`
	// Ask is the question, which yes and no answer. About says what a reader must know
	// of it.
	Ask   string `toml:"question"`
	About string `toml:"about"`
	// Claim is what a yes affirms of the changes in Answers, which are keys; without
	// keys it is about the first.
	Claim   Claim    `toml:"claim"`
	Answers []string `toml:"answers"`
	// Base is the variant that the changes begin with unless they say otherwise.
	Base string `toml:"base"`
	// Operations are those of the guest and of the replay that the question is about, the
	// one that every call pays first; empty: all.
	Operations []string `toml:"operations"`
	// Numbers is set if a call's number decides what leads to its handler: the page then
	// has that by number.
	Numbers bool `toml:"numbers"`
	// Cycles is set if counts of instructions cannot answer.
	Cycles  bool        `toml:"cycles"`
	Changes []Change    `toml:"change"`
	Trades  []Trade     `toml:"trade"`
	Figures []Published `toml:"published"`
	// Names are names for readers, of variants whose own are their axes.
	Names map[string]string `toml:"names"`
	// Frames are the variants whose frames a report draws; empty: the base, and what the
	// changes make of it.
	Frames []string `toml:"frames"`
	// Limits say what the figures do not.
	Limits []string `toml:"limits"`
	// Parts are questions about one of the changes.
	Parts []Part `toml:"part"`

	variants []stubs.Variant
	names    map[string]string // of variants as written: as records have them
	titles   map[string]string // of variants as records have them
}

// Claim is what a yes affirms.
type Claim string

// The claims.
const (
	NoDearer Claim = "no dearer"
	Cheaper  Claim = "cheaper"
	Dearer   Claim = "dearer"
)

var claims = []Claim{NoDearer, Cheaper, Dearer}

// Change is a step from one entry path to another, about whose cost a question asks.
type Change struct {
	// Key is a short name, Title says what the change does.
	Key   string `toml:"key"`
	Title string `toml:"title"`
	// From and To are the headline. Contexts are pairs that differ by the same change.
	From     string     `toml:"from"`
	To       string     `toml:"to"`
	Contexts [][]string `toml:"contexts"`
	// Exit is set if the two variants end a call by different instructions: only an engine
	// that runs these can tell them apart.
	Exit bool `toml:"exit"`

	ends [2]string // as records name them
}

// Ends returns the headline's variants, as results name them.
func (c Change) Ends() (from, to string) { return c.ends[0], c.ends[1] }

// pairs returns the headline and its contexts.
func (c Change) pairs() [][]string { return append([][]string{{c.From, c.To}}, c.Contexts...) }

// Trade asks for a break-even rate: from which share of full-frame calls on is the path
// cheaper that fills the frame at every entry?
type Trade struct {
	Lazy  string `toml:"lazy"`
	Eager string `toml:"eager"`
}

// Part asks the question of one change by itself.
type Part struct {
	Name   string `toml:"name"`
	Change string `toml:"change"`
	Ask    string `toml:"question"`
}

// Part returns the part of that name as a question of its own.
func (q Question) Part(name string) (Question, error) {
	i := slices.IndexFunc(q.Parts, func(p Part) bool { return p.Name == name })
	if i < 0 {
		var names []string
		for _, p := range q.Parts {
			names = append(names, p.Name)
		}
		return Question{}, fmt.Errorf("%s has no part %q: %swant one of %s", q.Name, name, near.Hint(name, names), strings.Join(names, ", "))
	}
	part := q.Parts[i]
	c := q.change(part.Change)
	q.Name, q.Ask, q.Answers, q.Changes, q.Frames, q.Parts = name, part.Ask, []string{c.Key}, []Change{c}, nil, nil
	q.Figures = slices.DeleteFunc(slices.Clone(q.Figures), func(f Published) bool { return f.Change != c.Key })
	q.Trades = slices.DeleteFunc(slices.Clone(q.Trades), func(t Trade) bool {
		return !slices.ContainsFunc(c.pairs(), func(pair []string) bool { return slices.Equal(pair, []string{t.Lazy, t.Eager}) })
	})
	whole := q.Names
	q.variants, q.names, q.titles, q.Names = nil, map[string]string{}, map[string]string{}, map[string]string{}
	for _, pair := range c.pairs() {
		for _, v := range pair {
			if title, ok := whole[v]; ok {
				q.Names[v] = title
			}
		}
	}
	return q, q.resolve(func(string) string { return name })
}

//go:embed questions
var files embed.FS

// first is the name of the question that is asked without a name.
const first = "mail"

// Questions returns the questions that have names, the one that is asked without a name
// first, and each with its parts behind it.
var Questions = sync.OnceValue(func() []Question {
	entries, err := files.ReadDir("questions")
	slices.SortStableFunc(entries, func(a, b fs.DirEntry) int {
		switch first + extension {
		case a.Name():
			return -1
		case b.Name():
			return 1
		}
		return 0
	})
	var list []Question
	for _, e := range entries {
		list, err = appended(list, e.Name())
		if err != nil {
			break
		}
	}
	if err != nil {
		panic(fmt.Sprintf("study: %v", err)) // TestQuestions reads them all
	}
	return list
})

// appended appends the question of an embedded file, and its parts.
func appended(list []Question, file string) ([]Question, error) {
	text, err := files.ReadFile("questions/" + file)
	if err != nil {
		return nil, err
	}
	whole, err := Parse(file, text)
	if err != nil {
		return nil, err
	}
	list = append(list, whole)
	for _, p := range whole.Parts {
		part, err := whole.Part(p.Name)
		if err != nil {
			return nil, err
		}
		list = append(list, part)
	}
	return list, nil
}

// Names returns the names of the questions.
func Names() []string {
	var names []string
	for _, q := range Questions() {
		names = append(names, q.Name)
	}
	return names
}

// Mail returns the question that is asked without a name.
func Mail() Question { return Questions()[0] }

const extension = ".toml"

// Find returns the question with that name or, if it is the path of a file in TOML, the
// one in the file; PATH:PART is a part of that.
func Find(ctx context.Context, name string) (Question, error) {
	if filepath.Ext(name) == extension {
		return read(ctx, name)
	}
	if file, part, ok := strings.Cut(name, extension+":"); ok {
		q, err := read(ctx, file+extension)
		if err != nil {
			return Question{}, err
		}
		return q.Part(part)
	}
	for _, q := range Questions() {
		if q.Name == name {
			return q, nil
		}
	}
	return Question{}, fmt.Errorf("no question %q: %swant %s, or a file %s", name, near.Hint(name, Names()), strings.Join(Names(), ", "), "NAME"+extension)
}

var questionFile = bounded.Kind{Thing: "question", Most: 1 << 20, Advice: "give a file in TOML with the keys " + strings.Join(tomlfile.Keys(Question{}), ", ")}

// read reads the file at path.
func read(ctx context.Context, path string) (Question, error) {
	text, err := questionFile.ReadFile(ctx, path)
	if err != nil {
		return Question{}, err
	}
	return Parse(path, text)
}

// Parse reads the text of a question. name is its file's, for messages, which have the
// line.
func Parse(name string, text []byte) (Question, error) {
	q := Question{Name: strings.TrimSuffix(path.Base(filepath.ToSlash(name)), extension), Claim: NoDearer, names: map[string]string{}, titles: map[string]string{}}
	if err := tomlfile.Decode(name, text, &q); err != nil {
		return q, err
	}
	return q, q.resolve(func(word string) string { return fmt.Sprintf("%s:%d", name, tomlfile.LineOf(text, word)) })
}

// resolve checks the question, and finds its variants. where tells where a word stands.
func (q *Question) resolve(where func(word string) string) error {
	switch {
	case q.Ask == "":
		return fmt.Errorf("%s: no question: want a sentence that yes or no answers", where("question"))
	case !slices.Contains(claims, q.Claim):
		return fmt.Errorf("%s: no claim %q: %swant one of %v", where(string(q.Claim)), q.Claim, near.Hint(string(q.Claim), claims), claims)
	case len(q.Changes) == 0:
		return fmt.Errorf("%s: no [[change]]: want at least one, with key, title and to", where("question"))
	}
	for _, op := range q.Operations {
		if !slices.Contains(operations(), op) {
			return fmt.Errorf("%s: no operation %q: %swant some of %s", where(op), op, near.Hint(op, operations()), strings.Join(operations(), ", "))
		}
	}
	var keys []string
	for i := range q.Changes {
		c := &q.Changes[i]
		if c.From == "" {
			c.From = q.Base
		}
		switch {
		case c.Key == "" || c.Title == "":
			return fmt.Errorf("%s: a [[change]] without a key or without a title", where(c.To))
		case slices.Contains(keys, c.Key):
			return fmt.Errorf("%s: change %q stands there twice", where(c.Key), c.Key)
		case c.From == "" || c.To == "":
			return fmt.Errorf("%s: change %q: want to, and from or a base", where(c.Key), c.Key)
		}
		keys = append(keys, c.Key)
		for _, pair := range c.pairs() {
			if len(pair) != 2 {
				return fmt.Errorf("%s: change %q: a context is two variants, got %q", where(c.Key), c.Key, pair)
			}
			for _, v := range pair {
				if err := q.add(v, where); err != nil {
					return err
				}
			}
			if q.names[pair[0]] == q.names[pair[1]] {
				return fmt.Errorf("%s: change %q: %s and %s are the same variant", where(c.Key), c.Key, pair[0], pair[1])
			}
		}
		c.ends = [2]string{q.names[c.From], q.names[c.To]}
	}
	for _, list := range [][]string{q.Answers, q.published()} {
		for _, key := range list {
			if !slices.Contains(keys, key) {
				return fmt.Errorf("%s: no change %q: %swant one of %s", where(key), key, near.Hint(key, keys), strings.Join(keys, ", "))
			}
		}
	}
	if len(q.Answers) == 0 {
		q.Answers = keys[:1]
	}
	for _, p := range q.Parts {
		switch {
		case p.Name == "" || p.Ask == "":
			return fmt.Errorf("%s: a [[part]] without a name or without a question", where("[[part]]"))
		case !slices.Contains(keys, p.Change):
			return fmt.Errorf("%s: no change %q: %swant one of %s", where(p.Change), p.Change, near.Hint(p.Change, keys), strings.Join(keys, ", "))
		}
	}
	for _, p := range q.Figures {
		if err := p.check(where); err != nil {
			return err
		}
	}
	// What else is named must be among what is measured.
	others := slices.Clone(q.Frames)
	for _, t := range q.Trades {
		others = append(others, t.Lazy, t.Eager)
	}
	for v := range q.Names {
		others = append(others, v)
	}
	slices.Sort(others)
	for _, v := range others {
		n, err := stubs.ParseVariant(v)
		if err != nil {
			return fmt.Errorf("%s: %w", where(v), err)
		}
		if !q.has(n.Name) {
			return fmt.Errorf("%s: %s is in no change, and is not measured", where(v), v)
		}
		q.names[v] = n.Name
	}
	for v, title := range q.Names {
		q.titles[q.names[v]] = title
	}
	return q.add(wire.Floor, where)
}

// add makes a variant one of those that are measured.
func (q *Question) add(variant string, where func(string) string) error {
	if q.names[variant] != "" {
		return nil
	}
	n, err := stubs.ParseVariant(variant)
	if err != nil {
		return fmt.Errorf("%s: %w", where(variant), err)
	}
	q.names[variant] = n.Name
	if !q.has(n.Name) {
		q.variants = append(q.variants, n)
	}
	return nil
}

func (q *Question) has(name string) bool {
	return slices.ContainsFunc(q.variants, func(v stubs.Variant) bool { return v.Name == name })
}

// published returns the changes about which something was published.
func (q *Question) published() []string {
	var keys []string
	for _, p := range q.Figures {
		keys = append(keys, p.Change)
	}
	return keys
}

// Variants returns the variants that the study measures, the base first and the floor last.
func (q Question) Variants() []stubs.Variant { return slices.Clone(q.variants) }

// planned returns the names of the variants.
func (q Question) planned() []string {
	names := make([]string, len(q.variants))
	for i, v := range q.variants {
		names[i] = v.Name
	}
	return names
}

// Asked returns the variants of the changes that a yes is about, as results name them.
func (q Question) Asked() []string {
	var names []string
	for _, key := range q.Answers {
		for _, v := range q.change(key).ends {
			if !slices.Contains(names, v) {
				names = append(names, v)
			}
		}
	}
	return names
}

// mostFrames is how many frames fit beside each other.
const mostFrames = 6

// Framed returns the variants whose frames a report draws, as results name them.
func (q Question) Framed() []string {
	var names []string
	for _, v := range q.Frames {
		names = append(names, q.names[v])
	}
	if len(names) > 0 {
		return names
	}
	for _, c := range q.Changes {
		for _, v := range c.ends {
			if !slices.Contains(names, v) && len(names) < mostFrames {
				names = append(names, v)
			}
		}
	}
	return names
}

// Title returns a variant's name for readers.
func (q Question) Title(variant string) string {
	if t, ok := q.titles[variant]; ok {
		return t
	}
	return variant
}

// change returns the change with that key.
func (q Question) change(key string) Change {
	return q.Changes[slices.IndexFunc(q.Changes, func(c Change) bool { return c.Key == key })]
}

// asks reports whether the question is about an operation.
func (q Question) asks(op string) bool {
	return len(q.Operations) == 0 || slices.Contains(q.Operations, op)
}

// everyCall returns the operation that every call pays.
func (q Question) everyCall() string {
	if len(q.Operations) == 0 {
		return wire.OpNullCall
	}
	return q.Operations[0]
}

// operations returns those that a question may be about.
func operations() []string {
	var names []string
	for _, o := range slices.Concat(record.Sampled, record.Switches) {
		names = append(names, o.Op)
	}
	return names
}

// blind says what an engine cannot see; empty: it sees everything.
func blind(name string) string { return engine.Of(name).Unseen }
