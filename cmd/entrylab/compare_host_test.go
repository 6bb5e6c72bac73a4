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
	if status, out, _ := played(t, "compare", "-format", "json", "-from", b, "-from", a); status != 0 || !strings.Contains(out, `"B - A": -`) || strings.Contains(out, `"":`) {
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

// TestCompareReboots: four files of the boots A1 B1 B2 A2, named in any order, give the verdict
// of what the kernels cost: a difference if there is one above what the boots of one kernel
// differ by, and none where it is smaller or not there.
func TestCompareReboots(t *testing.T) {
	for _, row := range []struct {
		name        string
		more, apart float64 // what B costs more, and how far boots of one kernel lie apart
		verdict     string
		difference  string
	}{
		{"a difference", 8, 0.2, `null call: [78]\.\d cycles dearer \(noise floor \d\.\d\)`, `\+[78]\.\d`},
		{"the other way", -8, 0.2, `null call: [78]\.\d cycles cheaper \(noise floor \d\.\d\)`, `-[78]\.\d`},
		{"none", 0, 0.2, `null call: no difference above the noise floor of \d\.\d cycles`, `none seen`},
		{"one below the floor", 4, 20, `null call: no difference above the noise floor of \d{2,}\.\d cycles`, `none seen`},
	} {
		t.Run(row.name, func(t *testing.T) {
			k := cyclestest.Kernels{
				Names: []string{"Linux 6.12.1, build 11111111, quiet", "Linux 6.12.1, build 22222222, quiet"},
				Costs: []float64{300, 300 + row.more}, Boots: []int{0, 1, 1, 0}, Apart: row.apart, Within: 0.3, One: 1,
			}
			args := []string{"compare"}
			var files []string
			for _, boot := range k.Records(rand.New(rand.NewPCG(1, 1))) {
				files = append(files, resultsWith(t, boot...))
			}
			for _, i := range []int{0, 3, 2, 1} { // when a boot was is in its figures
				args = append(args, "-from", files[i])
			}
			status, out, said := played(t, args...)
			if status != 0 {
				t.Fatalf("status %d: %s", status, said)
			}
			for _, want := range []string{
				`^Linux 6\.12\.1, build 22222222 against Linux 6\.12\.1, build 11111111, ` + row.verdict + `\n`,
				`(?m)^engine host, on a CPU, 4 boots in the order A B B A, 32 processes$`,
				`(?m)^null call \(getppid\) +\d+\.\d +\d+\.\d +` + row.difference + ` +\d+\.\d +\d+\.\d$`,
			} {
				if !regexp.MustCompile(want).MatchString(out) {
					t.Errorf("no %s in\n%s", want, out)
				}
			}
		})
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
