package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/measure/cycles/cyclestest"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/store"
)

// resultsWith writes records to a results file.
func resultsWith(t *testing.T, records ...record.Record) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "kernel.jsonl")
	s, _, _, err := store.Open(t.Context(), path, engine.Known)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Append(records...); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCompareRunning: files of kernels that ran on a machine, A B B A, are put together
// with the noise floor, wherever the boots are kept.
func TestCompareRunning(t *testing.T) {
	k := cyclestest.Kernels{
		Names: []string{"Linux 6.12.1, build 11111111, quiet", "Linux 6.12.1, build 22222222, quiet"},
		Costs: []float64{300, 308}, Boots: []int{0, 1, 1, 0}, Apart: 0.2, Within: 0.3, One: 1,
	}
	boots := k.Records(rand.New(rand.NewPCG(1, 1)))
	a, b := resultsWith(t, slices.Concat(boots[0], boots[3])...), resultsWith(t, slices.Concat(boots[1], boots[2])...)
	status, out, said := played(t, "compare", "-from", a, "-from", b)
	if status != 0 {
		t.Fatalf("status %d: %s", status, said)
	}
	for _, want := range []string{
		`^Linux 6\.12\.1, build 22222222 against Linux 6\.12\.1, build 11111111, null call: [78]\.\d cycles dearer \(noise floor \d\.\d\)\n`,
		`(?m)^engine host, on a CPU, 4 boots in the order A B B A, 32 processes$`,
		`(?m)^    A: Linux 6\.12\.1, build 11111111$`,
		`(?m)^ +A +B +B - A +noise floor +one kernel's boots apart$`,
		`(?m)^null call \(getppid\) +\d+\.\d +\d+\.\d +\+[78]\.\d +\d\.\d +\d\.\d$`,
		`(?m)^unknown call +\d+\.\d +\d+\.\d +none seen +\d\.\d +\d\.\d$`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	for i := range boots {
		for k := range boots[i] {
			boots[i][k].Host = "QEMU TCG CPU version 2.5+"
		}
	}
	_, out, _ = played(t, "compare", "-from", resultsWith(t, slices.Concat(boots...)...))
	if !strings.Contains(out, "\nMEANINGLESS as cycles: an emulator's clock") || !strings.Contains(out, " over processes\n") {
		t.Errorf("of an emulated CPU it says\n%s", out)
	}
	if status, out, _ := played(t, "compare", "-format", "json", "-from", b, "-from", a); status != 0 || !strings.Contains(out, `"B - A": -`) {
		t.Errorf("the other way round: status %d\n%s", status, out)
	}
	console := filepath.Join(t.TempDir(), "serial.txt")
	if err := os.WriteFile(console, []byte(consoles(8, "-", 0)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		args []string
		want string
	}{
		{"one kernel", []string{"-from", a}, "all boots are of one kernel"},
		{"with subjects", []string{"-from", a, "linux-4.1"}, "takes no subjects and no -o"},
		{"with a console", []string{"-from", a, "-from", console}, "some files are results and some are consoles"},
		{"no such file", []string{"-from", "nowhere.jsonl", "-from", a}, "nowhere.jsonl"},
		{"subjects for the running kernel", []string{"-engine", "host", "-o", a, "linux-4.1"}, "samples the kernel that runs: it takes no subjects"},
		{"a machine for the running kernel", []string{"-engine", "host", "-o", a, "-cpu", "Haswell"}, "-cpu: engine host boots no machine"},
		{"a machine for a replay", []string{"-engine", "replay", "-machine", "pc", "linux-4.1", "linux-6.12"}, "-machine: engine replay boots no machine"},
		{"nothing kept", []string{"-engine", "host"}, "want -o FILE to keep the figures in"},
	} {
		if status, out, said := played(t, append([]string{"compare"}, row.args...)...); status != exitError || out != "" || !strings.Contains(said, row.want) {
			t.Errorf("%s: status %d, output %q, error %q, want %q", row.name, status, out, said, row.want)
		}
	}
	foreign := boots[0][0]
	foreign.Engine = "kvm"
	if status, _, said := played(t, "compare", "-engine", "host", "-o", resultsWith(t, foreign)); status != exitError || !strings.Contains(said, "has figures of engine kvm") {
		t.Errorf("a file of another engine: status %d, %s", status, said)
	}
}

// TestSampleRunning samples the kernel of this host; its processes are kept, and are one
// boot of one kernel.
func TestSampleRunning(t *testing.T) {
	path := filepath.Join(t.TempDir(), "here.jsonl")
	status, out, said := played(t, "compare", "-engine", "host", "-o", path)
	if status != 0 {
		t.Fatalf("status %d: %s", status, said)
	}
	for _, want := range []string{`^engine host, Linux \S+`, `(?m)^of the time of CPU \d+ other programs had \d+ %, and other machines \d+ % \(stolen\); most on all CPUs had: `, `(?m)^null call \(getppid\) +\d+\.\d +\d+\.\d to \d+\.\d$`} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	records, _, err := store.ReadFile(t.Context(), path, engine.Known)
	if err != nil {
		t.Fatal(err)
	}
	boots := map[int]bool{}
	for _, r := range records {
		boots[engine.MachineBoot(r.Run)] = true
	}
	if n := len(engine.Boots(records)); n != engine.HostProcesses || len(boots) != 1 {
		t.Errorf("%d processes of %d boots are kept", n, len(boots))
	}
	if status, _, said := played(t, "compare", "-from", path); status != exitError || !strings.Contains(said, "all boots are of one kernel") {
		t.Errorf("status %d: %s", status, said)
	}
}
