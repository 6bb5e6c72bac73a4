package bisect

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/measure/history"
)

// TestParse: a series is named as a night names it, and what cannot be searched is
// refused with the reason.
func TestParse(t *testing.T) {
	for _, tt := range []struct{ series, build, name, want string }{
		{"static linux-6.12: insns", "", "static linux-6.12: insns", ""},
		{"icount linux-6.12: null-call", "", "icount microvm max linux-6.12: null-call", ""},
		{"icount q35 linux-6.12: null-call", "", "icount q35 max linux-6.12: null-call", ""},
		{"icount q35 qemu64 linux-6.12: registers: null call", "", "icount q35 qemu64 linux-6.12: registers: null call", ""},
		{"bochs linux-3.19+a", "", "bochs pc broadwell_ult linux-3.19+a", ""},
		{"icount linux: null-call", "make", "icount microvm max linux: null-call", ""},
		{"", "", "", "want a series as a night names it"},
		{"insns", "", "", "want a series as a night names it"},
		{"static microvm linux-6.12: insns", "", "", "want a series as a night names it"},
		{"icount microvm max more linux-6.12: null-call", "", "", "want a series as a night names it"},
		{"warp linux-6.12: insns", "", "", `no engine "warp": want some of `},
		{"auto linux-6.12: insns", "", "", `no engine "auto"`},
		{"replay against linux-3.19: null-call of linux-4.1", "", "", "figures of engine replay are sampled"},
		{"kvm linux-6.12: null-call", "", "", "figures of engine kvm are sampled"},
		{"icount linux: null-call", "", "", "give the command that builds one (-build)"},
		{"icount linux-6.12: null-call", "make", "", `the subject is "linux", as in "icount microvm max linux: null-call"`},
		{"static linux: insns", "make", "", "engine static boots no machine"},
	} {
		s, err := parse(tt.series)
		if err == nil {
			err = s.check(tt.build)
		}
		switch {
		case tt.want == "" && (err != nil || s.name() != tt.name):
			t.Errorf("%q is %q, error %v; want %q", tt.series, s.name(), err, tt.name)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%q: error %v, want %q", tt.series, err, tt.want)
		}
	}
}

func parsed(t *testing.T, name string) series {
	t.Helper()
	s, err := parse(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestRead: each kind of entry of a night is a value, or the reason why there is none.
func TestRead(t *testing.T) {
	entry := func(kind history.Kind, series string, change func(*history.Entry)) history.Entry {
		e := history.Entry{
			Format: history.Format, Kind: kind, Time: time.Unix(1, 0), Night: "bisect", Series: series,
			Machine: "m", MachineID: "1", Unit: "instructions",
		}
		change(&e)
		return e
	}
	outcome := func(o, detail string) func(*history.Entry) {
		return func(e *history.Entry) { e.Outcome, e.Detail = o, detail }
	}
	values := func(v ...float64) func(*history.Entry) { return func(e *history.Entry) { e.Values = v } }
	const cell = "icount microvm max linux-6.12"
	store, err := history.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.Append(t.Context(),
		entry(history.Code, "code 1", func(e *history.Entry) { e.Detail = "the listing" }),
		entry(history.Count, cell+": null-call", values(105)),
		entry(history.Count, cell+": none", values(0)),
		entry(history.Sample, cell+": futex-round-trip", values(7)),
		entry(history.Check, cell+": good", outcome("PASS", "")),
		entry(history.Check, cell+": wrong", outcome("FAIL", "is 1, want 2")),
		entry(history.Check, cell+": skipped", outcome("SKIP", "no such CPU")),
		entry(history.Cell, cell, outcome("FAIL", "a check failed")),
	); err != nil {
		t.Fatal(err)
	}
	crashed, err := history.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer crashed.Close()
	if err := crashed.Append(t.Context(), entry(history.Cell, cell, outcome("CRASH", "it hangs"))); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		store       history.Store
		series      string
		value, want string // want is in the error, or is the detail
	}{
		{store, cell + ": null-call", "105 instructions", ""},
		{store, cell + ": none", "0 instructions", ""},
		{store, cell + ": futex-round-trip", "", "is not the same each time"},
		{store, cell + ": good", "PASS", ""},
		{store, cell + ": wrong", "FAIL", "is 1, want 2"},
		{store, cell + ": skipped", "", "SKIP: no such CPU"},
		{store, cell + ": unknown", "", "no such series"},
		{store, cell, "FAIL", "a check failed"},
		{crashed, cell, "CRASH", "it hangs"},
		{crashed, cell + ": null-call", "", "CRASH: it hangs"},
	} {
		o := &own{series: parsed(t, tt.series)}
		p, err := o.read(t.Context(), tt.store.Name())
		switch {
		case tt.value == "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: %+v, error %v, want %q", tt.series, p, err, tt.want)
		case tt.value != "" && (err != nil || p.value.String() != tt.value || p.detail != tt.want):
			t.Errorf("%s: %+v, error %v, want %s (%s)", tt.series, p, err, tt.value, tt.want)
		case tt.value != "" && tt.store == store && p.listing != "the listing":
			t.Errorf("%s: the listing is %q", tt.series, p.listing)
		}
	}
}

// miniature is a program that answers `nightly` with the count that its source has, and
// keeps the matrix that it is given as the detail of a check.
const miniature = `package main

import (
	"fmt"
	"os"
)

const entry = ` + "`" + `{"format":"entrylab-history/1","kind":"%s","time":"2026-01-01T00:00:00Z","night":%q,"series":"icount microvm max linux-6.12%s","machine":"m","machine_id":"1",%s}
` + "`" + `

func main() {
	matrix, err := os.ReadFile(os.Args[3])
	if err != nil || os.Args[1] != "nightly" || os.Args[2] != "-matrix" || os.Args[4] != "-store" || os.Args[6] != "-night" || os.Args[8] != "-shard" || os.Args[9] != "1/1" {
		fmt.Fprintln(os.Stderr, "what is", os.Args, err)
		os.Exit(2)
	}
	if COUNT < 0 {
		fmt.Fprintln(os.Stderr, "no command \"nightly\"")
		os.Exit(2)
	}
	if err := os.Mkdir(os.Args[5], 0o755); err != nil {
		panic(err)
	}
	text := fmt.Sprintf(entry, "code", os.Args[7], ": code", ` + "`" + `"detail":"SYSCALL\nNOP COUNT\n"` + "`" + `)
	text += fmt.Sprintf(entry, "count", os.Args[7], ": null-call", ` + "`" + `"values":[COUNT],"unit":"instructions"` + "`" + `)
	text += fmt.Sprintf(entry, "check", os.Args[7], ": matrix", fmt.Sprintf(` + "`" + `"outcome":"PASS","detail":%q` + "`" + `, matrix))
	if err := os.WriteFile(os.Args[5]+"/results.jsonl", []byte(text), 0o644); err != nil {
		panic(err)
	}
	os.Exit(1) // as where a check failed
}
`

// TestOwn searches a repository whose revisions measure themselves, in which one does
// not build and one knows no nights.
func TestOwn(t *testing.T) {
	var all []commit
	for i, source := range []string{"100", "-1", "100", "107", "undefined", "112"} {
		c := commit{name: "c" + strconv.Itoa(i+1), files: map[string]string{
			"go.mod":               "module mini\n\ngo 1.26\n",
			"cmd/entrylab/main.go": strings.ReplaceAll(miniature, "COUNT", source),
		}}
		if i > 0 {
			c.parents = []string{all[i-1].name}
		}
		all = append(all, c)
	}
	dir := repositoryOf(t, all...)
	for _, tt := range []struct{ name, good, bad, series, want string }{
		{
			"found", "c1", "c4", "icount linux-6.12: null-call",
			"What changed in the code of the path:\n\n@@ -1,2 +1,2 @@\n SYSCALL\n-NOP 100\n+NOP 107\n",
		},
		{"not found", "c4", "c6", "icount linux-6.12: null-call", "Not found: only skipped commits are left. The first with another value of icount microvm max linux-6.12: null-call is one of"},
		{"does not build", "c3", "c5", "icount linux-6.12: null-call", "does not build: go build ./cmd/entrylab: "},
		{"no nights", "c2", "c4", "icount linux-6.12: null-call", `cannot be measured: its command nightly keeps nothing (exit status 2): no command "nightly"`},
		{"another operation", "c1", "c4", "icount linux-6.12: unknown-call", "cannot be measured: no such series"},
		{"another engine", "c1", "c4", "static linux-6.12: insns", "cannot be measured: no such series"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var text strings.Builder
			r, err := Search{Repository: dir, Good: tt.good, Bad: tt.bad, Series: tt.series, Progress: func(string) {}, Step: func(Step) {}}.Run(t.Context())
			if err == nil {
				err = r.Write(&text, "text")
			}
			if err != nil {
				text.WriteString(err.Error())
			}
			if !strings.Contains(text.String(), tt.want) {
				t.Errorf("no %s in\n%s", tt.want, text.String())
			}
		})
	}

	// The matrix has the one cell.
	o := &own{parsed(t, "icount linux-6.12: matrix"), t.TempDir(), os.Environ()}
	tree := t.TempDir()
	git(t, dir, "", "worktree", "add", "-q", tree, "c1")
	file, err := o.build(t.Context(), tree)
	if err != nil {
		t.Fatal(err)
	}
	p, err := o.measure(t.Context(), file)
	if err != nil || p.listing != "SYSCALL\nNOP 100\n" {
		t.Fatalf("%+v, %v", p, err)
	}
	for _, want := range []string{"subjects = ['linux-6.12']", "engines = ['icount']", "machines = ['microvm']", "cpus = ['max']", "verify = true"} {
		if !strings.Contains(p.detail, want+"\n") {
			t.Errorf("no %s in\n%s", want, p.detail)
		}
	}
}

// TestCommand: the command of a user's builds in the checkout and prints a path.
func TestCommand(t *testing.T) {
	tree := t.TempDir()
	if err := os.WriteFile(filepath.Join(tree, "image"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ command, file, want string }{
		{"echo image", tree + "/image", ""},
		{"seq 100000; echo warning >&2; echo ' image '; echo", tree + "/image", ""},
		{"echo /boot/image", "/boot/image", ""},
		{`echo "$PWD/image"`, tree + "/image", ""},
		{"echo image; sleep 1000.25 &", tree + "/image", ""}, // what is left running is ended
		{"echo $GIVEN", tree + "/given", ""},
		{":", "", "prints no path"},
		{"echo no rule to make it >&2; exit 3", "", "exit status 3: no rule to make it"},
		{"kill -KILL $$", "", "signal: killed"},
	} {
		l := &linux{command: tt.command, env: append(os.Environ(), "GIVEN=given")}
		file, err := l.build(t.Context(), tree)
		switch {
		case tt.want == "" && (err != nil || file != tt.file):
			t.Errorf("%s: %q, error %v; want %q", tt.command, file, err, tt.file)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: error %v, want %q", tt.command, err, tt.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (&linux{command: "sleep 1000.5", env: os.Environ()}).build(ctx, tree); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestTail keeps the end of what is printed.
func TestTail(t *testing.T) {
	var out tail
	for range 3 * mostTail {
		if n, err := out.Write([]byte("ab")); n != 2 || err != nil {
			t.Fatal(n, err)
		}
	}
	if _, err := out.Write([]byte("end\n")); err != nil || len(out) > mostTail || !strings.HasSuffix(out.String(), "abend") {
		t.Errorf("%d bytes, %v: %.20q", len(out), err, out.String()[len(out)-20:])
	}
}

// ending returns an image that a loader takes for a Linux kernel, whose setup code ends the
// machine.
func ending(t *testing.T) string {
	t.Helper()
	b := make([]byte, 8<<10)
	copy(b[0x1f1:], []byte{4})                      // sectors of setup code
	copy(b[0x1fe:], []byte{0x55, 0xaa, 0xeb, 0x66}) // boot sector's mark; jmp 0x268
	copy(b[0x202:], "HdrS\x0c\x02")
	copy(b[0x20e:], []byte{0x00, 0x02}) // the release is at 0x400
	b[0x211] = 1                        // loaded high
	b[0x236] = 1                        // 64 bits
	copy(b[0x268:], []byte{0xb0, 0x01, 0xe6, 0xf4, 0xeb, 0xfe})
	copy(b[0x400:], "0.0.1 (test)\x00")
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCrash: a kernel that ends before its init is a cell that crashed, and has no
// figures.
func TestCrash(t *testing.T) {
	need.QEMU(t)
	image := ending(t)
	l := &linux{series: parsed(t, "icount linux")}
	if p, err := l.measure(t.Context(), image); err != nil || p.value.Outcome != "CRASH" || p.detail == "" {
		t.Errorf("%+v, %v", p, err)
	}
	l = &linux{series: parsed(t, "icount linux: null-call")}
	if p, err := l.measure(t.Context(), image); err == nil {
		t.Errorf("%+v", p)
	}
}
