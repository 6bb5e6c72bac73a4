package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/internal/need"
)

// TestBadInput gives the command what it cannot use. The answer must be one
// message that names the thing, and says what would do.
func TestBadInput(t *testing.T) {
	need.QEMU(t)
	hello, err := os.ReadFile(filepath.Join(programDir, "hello"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const programHeader = 64
	load := programHeader
	for binary.LittleEndian.Uint32(hello[load:]) != 1 { // PT_LOAD
		load += 56
	}
	changed := func(name string, off int, value byte) string {
		data := bytes.Clone(hello)
		data[off] = value
		return file(name, data)
	}
	var (
		good    = file("good", hello)
		text    = file("text", []byte("#!/bin/sh\necho hello\n"))
		cut     = file("cut", hello[:len(hello)/2])
		bits32  = changed("bits32", 4, 1)
		dynamic = changed("dynamic", load, 3) // PT_INTERP
		arm     = changed("arm", 18, 183)
		missing = filepath.Join(dir, "missing")
		image   = filepath.Join(dir, "x.elf")
	)
	before, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}

	for _, tt := range []struct {
		name string
		args []string
		want []string // in the message
	}{
		{"no such command", []string{"frobnicate"}, []string{"no command \"frobnicate\"; `entrylab help` lists them"}},
		{"misspelt command", []string{"comapre"}, []string{`no command "comapre"; did you mean compare?`}},
		{"misspelt command to be told of", []string{"help", "proove"}, []string{`no command "proove"; did you mean prove?`}},
		{"misspelt command behind -h", []string{"-h", "proove"}, []string{`no command "proove"; did you mean prove?`}},
		{"misspelt flag", []string{"boot", "-memry=64"}, []string{"no flag -memry; did you mean -memory?"}},
		{"misspelt flag with two dashes", []string{"prove", "--al"}, []string{"no flag -al; did you mean -all?"}},
		{"flag without a command", []string{"-engine", "tcg"}, []string{"no flag -engine; `entrylab -h` lists the flags"}},
		{"no shell to complete for", []string{"completion"}, []string{"want the shell: bash, zsh or fish"}},
		{"no such shell", []string{"completion", "tcsh"}, []string{`"tcsh"`, "want bash, zsh or fish"}},
		{"no such flag", []string{"boot", "-frob"}, []string{"-frob", "`entrylab boot -h` lists the flags"}},
		{"no number", []string{"boot", "-memory", "much"}, []string{`"much" for flag -memory`}},
		{"no variant", []string{"list"}, []string{"want one variant"}},
		{"one variant to diff", []string{"diff", "linux-3.19"}, []string{"want two variants"}},
		{"no such variant to diff", []string{"diff", "linux-3.19", "x"}, []string{`variant "x"`, "want a preset, or axes", "`entrylab variants` lists them"}},
		{"no such variant to count", []string{"compare", "-engine", "static", "linux-3.19", "x"}, []string{`variant "x"`, "want a preset, or axes", "`entrylab variants` lists them"}},
		{"argument of variants", []string{"variants", "x"}, []string{`no preset "x"`}},
		{"argument of verify", []string{"verify", "linux-3.19"}, []string{"takes no argument but flags", `"linux-3.19"`}},

		{"no such variant", []string{"list", "linux-2.6"}, []string{`variant "linux-2.6"`, "did you mean linux-4.6?"}},
		{"no such variant to boot", []string{"boot", "-init", good, "-variant", "x"}, []string{`variant "x"`, "want a preset, or axes", "`entrylab variants` lists them"}},
		{"no such variant to build", []string{"build", "-init", good, "-o", image, "-variants", "linux-3.19,x"}, []string{`variant "x"`, "want a preset, or axes", "`entrylab variants` lists them"}},
		{"no such variant to verify", []string{"verify", "-variants", "x"}, []string{`variant "x"`, "want a preset, or axes", "`entrylab variants` lists them"}},
		{"no such variant to compare", []string{"compare", "linux-3.19", "x"}, []string{`variant "x"`, "want a preset, or axes", "`entrylab variants` lists them"}},
		{"no such change", []string{"list", "linux-3.19+d"}, []string{`no change "d"`, "want a, b"}},
		{"no such axis", []string{"list", "moon=full"}, []string{`no axis "moon"`, "`entrylab variants` lists them"}},
		{"no such value", []string{"list", "sp=nowhere"}, []string{`axis sp has no value "nowhere"`, "want one of percpu, frame"}},
		{"axis twice", []string{"list", "sp=frame,sp=percpu"}, []string{"axis sp is given twice"}},
		{"impossible", []string{"list", "sp=frame"}, []string{`"sp=frame" is impossible`, "sp=frame with irq=early", "another thread"}},
		{"impossible to boot", []string{"boot", "-init", good, "-variant", "exit=iret,sp=frame,flags=flags,irq=frame"}, []string{"exit=iret with top=lazy", "IRETQ"}},
		{"variant twice", []string{"compare", "linux-3.19", "linux-4.1", "linux-3.19"}, []string{"linux-3.19 is named twice"}},
		{"one variant", []string{"compare", "linux-3.19"}, []string{"want at least two subjects"}},
		{"floor alone to boot", []string{"boot", "-init", good, "-variant", "bare"}, []string{"bare answers the null call only"}},
		{"floor alone to build", []string{"build", "-init", good, "-o", image, "-variants", "bare"}, []string{"bare answers the null call only"}},
		{"floor alone to verify", []string{"verify", "-variants", "bare"}, []string{"bare answers the null call only"}},

		{"no such engine", []string{"boot", "-init", good, "-engine", "warp"}, []string{`"warp"`, "icount"}},
		{"no such machine", []string{"boot", "-init", good, "-machine", "vax"}, []string{`-machine "vax"`, "want microvm, pc or q35"}},
		{"no such CPU", []string{"boot", "-init", good, "-engine", "tcg", "-cpu", "abacus"}, []string{"unable to find CPU model 'abacus'"}},
		{"no such format", []string{"compare", "-format", "xml", "linux-3.19", "linux-4.1"}, []string{`"xml" for flag -format`, "want text, json, bench, csv or html"}},
		{"format that study has not", []string{"study", "-format", "xml"}, []string{`"xml" for flag -format`, "want text, json, bench, csv or html;"}},
		{"format that a report has not", []string{"report", "x", "-format", "xml"}, []string{`"xml" for flag -format`, "want html, text, json, bench or csv;"}},
		{"fewer boots than none", []string{"build", "-o", image, "-format", "disk", "-boots=-1"}, []string{"-boots -1: want 1 to 999, or 0"}},
		{"boots of an ELF file", []string{"build", "-o", image, "-boots", "8"}, []string{"-boots is not for -format elf"}},
		{"signed ELF file", []string{"build", "-o", image, "-sign", "a,b"}, []string{"-sign is not for -format elf"}},
		{"signed with one file", []string{"build", "-o", image, "-format", "efi", "-sign", "a"}, []string{`-sign "a": want KEY,CERT`}},
		{"signed with no file", []string{"build", "-o", image, "-format", "iso", "-sign", image + ".key," + image + ".crt"}, []string{"no such file"}},
		{"signed with no key", []string{"build", "-o", image, "-format", "disk", "-sign", "/dev/null,/dev/null"}, []string{"give a PEM file"}},
		{"format that an image has not", []string{"build", "-o", image, "-format", "csv"}, []string{`"csv" for flag -format`, "want elf, efi, disk, iso or bios;"}},
		{"no such Bochs", []string{"compare", "-engine", "bochs", "-bochs", "./none", "linux-3.19", "linux-4.1"}, []string{"-bochs: ", "./none"}},
		{"no such engine to compare", []string{"compare", "-engine", "warp", "linux-3.19", "linux-4.1"}, []string{`-engine "warp"`, "want auto, icount, bochs, static, kvm or replay"}},
		{"engine without costs", []string{"compare", "-engine", "tcg", "linux-3.19", "linux-4.1"}, []string{"-engine tcg", "use icount"}},
		{"negative memory", []string{"boot", "-init", good, "-memory", "-1"}, []string{`"-1" for flag -memory`, "such as 512MiB or 2GiB"}},
		{"no memory", []string{"boot", "-init", good, "-memory", "0"}, []string{`"0" for flag -memory`}},
		{"2 MiB", []string{"boot", "-init", good, "-engine", "tcg", "-memory", "2"}, []string{"2 MiB of memory are too little", "take 4 MiB"}},
		{"more memory than there is", []string{"boot", "-init", good, "-engine", "tcg", "-memory", "100000000"}, []string{"QEMU failed at start", "memory"}},
		{"no time", []string{"boot", "-init", good, "-timeout", "0s"}, []string{`"0s" for flag -timeout`, "want a time above 0 with its unit, such as 90s"}},
		{"time without a unit", []string{"boot", "-init", good, "-timeout", "90"}, []string{`"90" for flag -timeout`, "such as 90s"}},
		{"misspelt engine to boot", []string{"boot", "-init", good, "-engine", "icuont"}, []string{`unknown engine "icuont": did you mean icount? use`}},
		{"misspelt engine to compare", []string{"compare", "-engine", "icuont", "linux-3.19", "linux-4.1"}, []string{`-engine "icuont": did you mean icount?`}},
		{"misspelt engine to study", []string{"study", "-engines", "sttaic"}, []string{`no engine "sttaic": did you mean static?`}},
		{"misspelt machine", []string{"boot", "-init", good, "-machine", "q53"}, []string{`-machine "q53": did you mean q35?`}},
		{"misspelt format", []string{"variants", "-format", "jsn"}, []string{"did you mean json? want text, json or html"}},
		{"misspelt axis", []string{"list", "linux-6.12+exti=iret"}, []string{`no axis "exti": did you mean exit?`}},
		{"misspelt value", []string{"list", "linux-6.12+exit=iert"}, []string{`no value "iert": did you mean iret?`}},

		{"init is missing", []string{"boot", "-init", missing}, []string{missing, "no such file", "give the path of a static linux/amd64 program"}},
		{"init is a directory", []string{"boot", "-init", dir}, []string{dir, "is not a regular file"}},
		{"init is a script", []string{"boot", "-init", text}, []string{text, "is not an ELF program"}},
		{"init is cut", []string{"boot", "-init", cut}, []string{cut, "is truncated", "copy or build it again"}},
		{"init has 32 bits", []string{"boot", "-init", bits32}, []string{bits32, "is a 32-bit program", "GOARCH=amd64"}},
		{"init is dynamic", []string{"boot", "-init", dynamic}, []string{dynamic, "dynamically linked", "CGO_ENABLED=0"}},
		{"init is for ARM", []string{"boot", "-init", arm}, []string{arm, "AARCH64"}},
		{"init is missing to build", []string{"build", "-o", image, "-init", missing}, []string{missing, "no such file"}},
		{"init is cut to build", []string{"build", "-o", image, "-init", cut}, []string{cut, "is truncated"}},
		{"quotes for init", []string{"boot", "-init", good, "--", `a"b`}, []string{`"a\"b"`, "cannot carry quotes"}},

		{"output is init", []string{"build", "-init", good, "-o", dir + "/../" + filepath.Base(dir) + "/good"}, []string{"is the file that is read", "give another path"}},
		{"JSON where the image goes", []string{"build", "-init", good, "-o", image, "-json", image}, []string{"-json " + image + " is where the image goes"}},
		{"JSON and image to standard output", []string{"build", "-init", good, "-o", "-", "-json", "-"}, []string{"-json - is where the image goes"}},
		{"JSON is init", []string{"build", "-init", good, "-o", image, "-json", good}, []string{"-json " + good + " is the file that is read"}},
		{"JSON is the booted init", []string{"boot", "-init", good, "-json", good}, []string{"-json " + good + " is the file that is read"}},
		{"no output", []string{"build", "-init", good}, []string{"want -o FILE"}},
		{"output in no folder", []string{"build", "-init", good, "-o", filepath.Join(missing, "x.elf")}, []string{"cannot write image", missing, "make the directory"}},
		{"output below a file", []string{"build", "-init", good, "-o", filepath.Join(text, "x.elf")}, []string{"cannot write image", text, "give another path"}},
		{"output is a folder", []string{"build", "-init", good, "-o", dir}, []string{"cannot write image " + dir, "give another path"}},
		{"output is a device", []string{"build", "-init", good, "-o", "/dev/null"}, []string{"cannot write image /dev/null", "give another path"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, stdout, stderr := played(t, tt.args...)
			want := exitError
			if tt.args[0] == "boot" {
				want = exitNothing
			}
			if status != want || stdout != "" {
				t.Errorf("status %d, stdout %q; want status %d and nothing", status, stdout, want)
			}
			// The choice of auto is told beside the message.
			message := stderr
			if first, rest, _ := strings.Cut(stderr, "\n"); strings.HasPrefix(first, "entrylab: engine icount") {
				message = rest
			}
			if !strings.HasPrefix(message, "entrylab") || strings.Count(message, "\n") != 1 || !strings.HasSuffix(message, "\n") {
				t.Errorf("stderr is %q, want one line", stderr)
			}
			for _, want := range tt.want {
				if !strings.Contains(message, want) {
					t.Errorf("the message %q does not say %q", message, want)
				}
			}
		})
	}

	after, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(after) != len(before) {
		t.Errorf("left in the folder: %v, want %v", after, before)
	}
}
