package host

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	const two = "processor\t: 0\ncpu family\t: 25\nmodel\t\t: 1\nmodel name\t: A CPU @ 2 GHz\nstepping\t: 2\nmicrocode\t: 0x1234\nflags\t\t: fpu vmx\n\n" +
		"processor\t: 1\nmodel name\t: Another: with a colon\nvmx flags\t: vnmi\n\n"
	for _, tt := range []struct {
		name, text string
		want       []CPU
	}{
		{"two", two, []CPU{
			{Number: 0, Model: "A CPU @ 2 GHz", Signature: "25/1/2", Microcode: "0x1234", Flags: []string{"fpu", "vmx"}},
			{Number: 1, Model: "Another: with a colon", Signature: "//", Flags: []string{}},
		}},
		{"nothing", "", []CPU{{Number: -1, Signature: "//", Flags: []string{}}}},
	} {
		if diff := cmp.Diff(tt.want, Parse(tt.text)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	if c := Parse(two)[0]; !c.Has("vmx") || c.Has("vm") || Parse(two)[1].Has("vnmi") {
		t.Error("a flag is found that is none, or is not found")
	}
}

// TestCPUs: a file that cannot be read is an error with its name.
func TestCPUs(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	if _, err := CPUs(missing); err == nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("error is %v, want one that names %s", err, missing)
	}
	if _, err := os.Stat(CPUInfo); err != nil {
		t.Fatal(err)
	}
	if model, _ := Model(); model == "" {
		t.Error("this host's CPU has no name")
	}
}

func TestKernel(t *testing.T) {
	want, err := exec.Command("uname", "-r").Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := Kernel(); got != strings.TrimSpace(string(want)) {
		t.Errorf("the kernel is %q, uname says %q", got, want)
	}
}

// TestEmulated: a CPU of QEMU's emulator is told by its name or by the signature of its
// hypervisor, and no other is.
func TestEmulated(t *testing.T) {
	for _, tt := range []struct {
		model, hypervisor string
		want              bool
	}{
		{"QEMU TCG CPU version 2.5+", "TCGTCGTCGTCG", true},
		{"QEMU TCG CPU version 2.5+", "", true},
		{"AMD EPYC Processor", "TCGTCGTCGTCG", true},
		{"AMD EPYC Processor", "KVMKVMKVM", false},
		{"AMD EPYC Processor", "", false},
	} {
		model := named(tt.model, tt.hypervisor)
		if Emulated(model) != tt.want || !strings.HasPrefix(model, tt.model) || named(model, tt.hypervisor) != model {
			t.Errorf("%s in a machine of %q is called %q: emulated is %v, want %v", tt.model, tt.hypervisor, model, !tt.want, tt.want)
		}
	}
}

// TestCPUID: the instruction tells the same vendor as Linux does.
func TestCPUID(t *testing.T) {
	_, b, c, d := CPUID(0, 0)
	text, err := os.ReadFile(CPUInfo)
	if vendor := Text(b, d, c); err != nil || !strings.Contains(string(text), ": "+vendor+"\n") {
		t.Errorf("the vendor is %q, which %s does not have (%v)", vendor, CPUInfo, err)
	}
	if has := strings.Contains(string(text), " hypervisor "); has != (Hypervisor() != "") {
		t.Errorf("the hypervisor is %q, and %s has the flag: %v", Hypervisor(), CPUInfo, has)
	}
}
