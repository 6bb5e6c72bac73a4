package vmtests

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/jstemmer/go-junit-report/v2/gtr"
	"github.com/jstemmer/go-junit-report/v2/parser/gotest"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/internal/broken"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/stubs"
)

var allKVM = flag.Bool("kvm", false, "run all tests under KVM but those of leftOut, where else some run")

// kvmSample are the tests that run under KVM without -kvm.
const kvmSample = "^TestKVM$|^TestMachines$/^microvm$|^TestVariants$/^heukelum-v2$"

// leftOut are the tests that do not run under KVM, and why.
var leftOut = map[string]string{
	"TestByHand":           "runs a compiler",
	"TestOwnGo":            "runs a compiler",
	"TestOwnAs":            "runs an assembler",
	"TestOwnBases":         "runs an assembler",
	"TestCases":            "runs an assembler",
	"TestCallNumber":       "runs a compiler",
	"TestMissingCalls":     "runs a compiler",
	"TestForeign":          "runs compilers",
	"TestStaticPIE":        "runs a compiler",
	"TestStandardLibrary":  "runs a compiler",
	"TestGDB":              "runs a debugger",
	"TestGDBEntry":         "runs a debugger",
	"TestAnswer":           "needs UEFI firmware",
	"TestAnswerMachines":   "needs UEFI firmware",
	"TestNoAnswer":         "needs UEFI firmware",
	"TestMedia":            "needs UEFI firmware",
	"TestCPURefused":       "needs UEFI firmware",
	"TestBoots":            "needs UEFI firmware",
	"TestSecureBoot":       "needs UEFI firmware",
	"TestScreen":           "needs UEFI firmware and a screen's option ROM",
	"TestURoot":            "runs a compiler",
	"TestEFI":              "needs UEFI firmware",
	"TestEFIWords":         "needs UEFI firmware",
	"TestGRUB":             "runs grub-mkrescue",
	"TestKexec":            "boots Linux",
	"TestLinux":            "boots Linux",
	"TestLinuxCommandLine": "boots Linux",
	"TestCallsOnLinux":     "boots Linux",
	"TestReboots":          "boots Linux",
	"TestCounts":           "counts instructions",
	"TestCountsOfSwitches": "counts instructions",
	"TestPhases":           "counts instructions",
	"TestOwnMetric":        "counts instructions",
	"TestClockSources":     "counts instructions",
	"TestClockTold":        "counts instructions",
	"TestStealTold":        "counts instructions",
	"TestNoClock":          "takes clocks away that KVM has a better one than",
	"TestClockStolen":      "takes clocks away that KVM has a better one than",
	"TestSampled":          "takes many samples, which is long on a slow CPU; TestKVMResume takes some",
	"TestHang":             "waits until a machine has used up its work, which is long on a slow CPU",
	"TestSpacesCatches":    "waits until a machine has used up its work, which is long on a slow CPU",
	"TestBroken":           "a thread of Go's runtime may make a call by a broken variant, when only icount says",
	"TestSignalDump":       "a thread of Go's runtime may make a call by a broken variant, when only icount says",
	"TestUARTInMemory":     "runs a debugger",
	"TestMuchMemory":       "looks for data in a large file with holes, which a RAM disk has not",
	"TestBootsBIOS":        "its machines are not under KVM",
	"TestCrosscheck":       "compares QEMU and Bochs",
	"TestCrosscheckTicks":  "compares QEMU and Bochs",
	"TestCrosscheckSysret": "compares QEMU and Bochs",
	"TestCountersOfBochs":  "boots Bochs",
	"TestClockInBochs":     "boots Bochs",
	"TestIBRS":             "boots Bochs",
	"TestSpacesPCID":       "boots Bochs",
}

// kvmCPU is a CPU of QEMU's that has SVM. With five-level paging user addresses would
// not end at 1<<47.
const kvmCPU = "max,la57=off"

// kvmFault is a variant with a fault that shows under KVM as elsewhere.
const kvmFault = "r10-not-restored"

// TestKVM runs tests of this package under KVM: under that of this host if its CPU is
// real, else under that of a Linux on a CPU that QEMU emulates. One of them is this test
// itself. There it has the guest check a broken variant, and must fail.
func TestKVM(t *testing.T) {
	if *oneEngine != "" {
		b, err := broken.Find(kvmFault)
		if err != nil {
			t.Fatal(err)
		}
		report(t, runGuest(t, boot.Config{
			Variants: []stubs.Variant{variant(t, b.Base), b.Variant}, Args: []string{"verify", "-variants=" + b.Name}, VM: machine(t, vm.KVM),
		}))
		return
	}
	t.Parallel()
	if *allKVM {
		t.Run("without SVM", kvmRefused)
	}
	choice := "-test.run=" + kvmSample
	if *allKVM {
		choice = "-test.skip=^(" + strings.Join(slices.Sorted(maps.Keys(leftOut)), "|") + ")$"
	}
	text, status, emulated := underKVM(t, choice)
	tests, err := testsOf(text, status)
	// QEMU 7.2 now and then delivers an interrupt twice that KVM injects: helper_vmrun
	// leaves it in exception_index, and where the time that the CPU may run for ends
	// before the next #VMEXIT, it is delivered from there, in ring 0 with IF 0. What
	// fails under that CPU runs again, at other moments.
	if again := failed(tests); err == nil && emulated && len(again) > 0 {
		t.Logf("these run again, as QEMU may have delivered an interrupt twice: %s\n%s", again, text)
		text, status, _ = underKVM(t, "-test.run=^(TestKVM|"+strings.Join(again, "|")+")$")
		var second []gtr.Test
		second, err = testsOf(text, status)
		tests = append(slices.DeleteFunc(tests, func(test gtr.Test) bool { return slices.Contains(again, top(test)) }), second...)
	}
	if err != nil {
		t.Errorf("%v\n%s", err, text)
	}
	for _, test := range tests {
		t.Run(test.Name, func(t *testing.T) {
			switch test.Result {
			case gtr.Pass:
			case gtr.Skip:
				// Of this test's reasons only the last line is for the list.
				need.Absent(t, need.CPUFeature, strings.TrimSpace(test.Output[len(test.Output)-1]))
			default:
				t.Errorf("%v\n%s", test.Result, strings.Join(test.Output, "\n"))
			}
		})
	}
}

// top returns the name of the test that a test is a part of.
func top(test gtr.Test) string {
	name, _, _ := strings.Cut(test.Name, "/")
	return name
}

// failed returns the names of tests of which a part failed.
func failed(tests []gtr.Test) []string {
	var names []string
	for _, test := range tests {
		if test.Result == gtr.Fail && !slices.Contains(names, top(test)) {
			names = append(names, top(test))
		}
	}
	return names
}

// underKVM runs the tests that an option of this program's chooses, and returns what it
// prints and its exit status, and whether the CPU was emulated.
func underKVM(t *testing.T, choice string) (text string, status int, emulated bool) {
	t.Helper()
	engine, reason := vm.Auto(t.Context(), boot.ProbeKVM)
	if engine != vm.KVM {
		t.Logf("%s: KVM is that of a Linux that QEMU boots", reason)
		text, status = underEmulatedKVM(t, kvmCPU, choice)
		return text, status, true
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-engine=kvm", "-test.v", choice)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode(), false
}

// underEmulatedKVM works like underKVM, but in a Linux on a CPU that QEMU emulates.
func underEmulatedKVM(t *testing.T, cpu, choice string) (text string, status int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	h := kvmHost{
		cpu:      cpu,
		command:  []string{"/vmtests.test", "-engine=kvm", "-built=/built", "-test.v", "-test.parallel=1", choice},
		programs: map[string]string{"vmtests.test": self},
		files:    append(builtFiles(t, "built"), folderFiles(t, "testdata", "work/testdata")...),
	}
	var out strings.Builder
	status = h.run(t, func(line string) {
		out.WriteString(line + "\n")
		if *allKVM { // which takes long
			fmt.Println(line)
		}
	})
	return out.String(), status
}

// testsOf reads what a test program has printed, and returns the tests that ran but for
// TestKVM, which must have failed. No test, or one that did not end, is an error.
func testsOf(text string, status int) ([]gtr.Test, error) {
	all, err := gotest.NewParser().Parse(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	var tests []gtr.Test
	failed, caught := false, false
	for _, p := range all.Packages {
		for _, test := range p.Tests {
			failed = failed || test.Result == gtr.Fail
			if top(test) == "TestKVM" {
				caught = caught || test.Result == gtr.Fail
				continue
			}
			tests = append(tests, test)
		}
	}
	unknown := slices.IndexFunc(tests, func(t gtr.Test) bool { return t.Result == gtr.Unknown })
	switch {
	case len(tests) == 0:
		return nil, fmt.Errorf("no test ran; the exit status is %d", status)
	case unknown >= 0:
		return tests, fmt.Errorf("%s did not finish", tests[unknown].Name)
	case !caught:
		return tests, fmt.Errorf("no check failed of the broken variant %s", kvmFault)
	case failed != (status == 1):
		return tests, fmt.Errorf("the exit status is %d", status)
	}
	return tests, nil
}

// TestKVMOutput reads outputs of test programs, of which one alone is well.
func TestKVMOutput(t *testing.T) {
	const (
		caught = "=== RUN   TestKVM\n--- FAIL: TestKVM (0.00s)\n"
		missed = "=== RUN   TestKVM\n--- PASS: TestKVM (0.00s)\n"
		passed = "=== RUN   TestA\n=== RUN   TestA/b\n--- PASS: TestA (0.00s)\n    --- PASS: TestA/b (0.00s)\n"
	)
	for _, tt := range []struct {
		name, text string
		status     int
		want       string // in the error; empty: none
		results    []gtr.Result
	}{
		{"well", caught + passed, 1, "", []gtr.Result{gtr.Pass, gtr.Pass}},
		{"a failure", caught + "=== RUN   TestC\n    why\n--- FAIL: TestC (0.00s)\n" + passed, 1, "", []gtr.Result{gtr.Fail, gtr.Pass, gtr.Pass}},
		{"nothing", "", 2, "no test ran; the exit status is 2", nil},
		{"the broken variant alone", caught, 1, "no test ran", nil},
		{"the broken variant passes", missed + passed, 0, "no check failed of the broken variant " + kvmFault, []gtr.Result{gtr.Pass, gtr.Pass}},
		{"no broken variant", passed, 0, "no check failed", []gtr.Result{gtr.Pass, gtr.Pass}},
		{"an end in the middle", caught + passed + "=== RUN   TestC\npanic: x\n", 2, "TestC did not finish", []gtr.Result{gtr.Pass, gtr.Pass, gtr.Unknown}},
		{"another status", caught + passed, 2, "the exit status is 2", []gtr.Result{gtr.Pass, gtr.Pass}},
		{"success", caught + passed, 0, "the exit status is 0", []gtr.Result{gtr.Pass, gtr.Pass}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tests, err := testsOf(tt.text, tt.status)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			var results []gtr.Result
			for _, test := range tests {
				results = append(results, test.Result)
			}
			if !slices.Equal(results, tt.results) {
				t.Errorf("results are %v, want %v", results, tt.results)
			}
			if again := failed(tests); len(again) > 0 != slices.Contains(results, gtr.Fail) || len(again) > 0 && !slices.Equal(again, []string{"TestC"}) {
				t.Errorf("%v run again", again)
			}
		})
	}
}

// TestKVMLeftOut: what is left out is there.
func TestKVMLeftOut(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	list, err := exec.CommandContext(t.Context(), self, "-test.list=.").Output()
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Fields(string(list))
	for name, why := range leftOut {
		if !slices.Contains(all, name) || why == "" {
			t.Errorf("%s is left out under KVM (%q), and is no test", name, why)
		}
	}
}

// kvmRefused: on a CPU without SVM no test runs, and the reason is told.
func kvmRefused(t *testing.T) {
	text, status := underEmulatedKVM(t, kvmCPU+",svm=off", "-test.run=^TestKVM$")
	const want = "no test was run on engine kvm: no /dev/kvm\n"
	if status != 2 || !strings.Contains(text, want) {
		t.Errorf("status %d, want 2 and %q\n%s", status, want, text)
	}
	if _, err := testsOf(text, status); err == nil {
		t.Errorf("this counts as tests that ran:\n%s", text)
	}
}
