package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/measure/table"
)

// allKernels is set by `make kernels`: each command boots the real kernels that it takes,
// where else one does for several, as a boot takes 3 s of CPU time.
var allKernels = flag.Bool("kernels", false, "boot real kernels for each command that takes them, where else for some of them")

// longerEntry returns a kernel with two NOPs for one instruction of its entry: one more is
// run in each system call, and in nothing else.
func longerEntry(t *testing.T, kernel string) (path string) {
	t.Helper()
	image, err := os.ReadFile(kernel)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(image, clearing)
	if at < 0 {
		t.Fatalf("%s has no entry_SYSCALL_64 that is not compressed", kernel)
	}
	copy(image[at+len(clearing)-2:], "\x90\x90")
	path = filepath.Join(t.TempDir(), "vmlinuz-longer")
	if err := os.WriteFile(path, image, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCompareKernels: of two kernels that differ in one instruction of the entry, that is
// the difference of each operation, once for each call of it; the phases add up, and the
// checks pass.
func TestCompareKernels(t *testing.T) {
	need.QEMU(t)
	t.Parallel()
	linux := need.Linux(t)
	status, out, said := played(t, "compare", linux, longerEntry(t, linux))
	if status != 0 {
		t.Fatalf("status %d: %s", status, said)
	}
	for _, want := range []string{
		`(?m)^Linux \S+ \(vmlinuz-longer\) against Linux \S+ \(vmlinuz\), null call: 1 instruction dearer \(entry \+1\); other operations: [1-9]`,
		`(?m)^checks +\d+ pass, \d+ skip +\d+ pass, \d+ skip *$`,
		`(?m)^null call \(getppid\) +\d+ +\d+ +\+1$`,
		`(?m)^  entry, up to the handler's CALL +\d+ +\d+ +\+1$`,
		`(?m)^  handler +\d+ +\d+ +0$`,
		`(?m)^  exit, from the handler's RET +\d+ +\d+ +0$`,
		`(?m)^unknown call +\d+ +\d+ +\+1$`,
		`(?m)^signal round trip +\d+ +\d+ +\+2$`,                  // tgkill and rt_sigreturn
		`(?m)^thread switch by yield, one way .* \+[01](\.\d+)?$`, // a tick may come in between, of either
		`(?m)^spectre_v2 +\S`,
		`(?m)^SKIP: Linux \S+ \(vmlinuz-longer\): \d+ checks \(Linux has no control interface\)$`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	if strings.Contains(out, "FAIL") || strings.Contains(out, "full-frame") {
		t.Errorf("a failure, or a row of what no kernel has, in\n%s", out)
	}
}

// TestBenchMailKernels: a mail about two real kernels has their exact counts, and says of
// each other engine why it has none.
func TestBenchMailKernels(t *testing.T) {
	if !*allKernels {
		return
	}
	need.QEMU(t)
	t.Parallel()
	linux := need.Linux(t)
	status, mail, said := played(t, "bench-mail", "-engines", "icount,bochs,static,kvm", linux, longerEntry(t, linux))
	if status != 0 {
		t.Fatalf("status %d: %s", status, said)
	}
	for line := range strings.Lines(mail) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > table.MailWidth {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	words := strings.Join(strings.Fields(mail), " ")
	for _, want := range []string{
		`A: Linux \S+ \(vmlinuz\) B: Linux \S+ \(vmlinuz-longer\)`,
		`instructions A B B - A null call \d+ \d+ \+1 entry \d+ \d+ \+1 handler \d+ \d+ 0 exit \d+ \d+ 0 unknown \d+ \d+ \+1 `,
		`bochs: no figures: it boots a disk image`,
		`static: no figures: it reads the code of generated kernels`,
		`kvm: no figures: two real kernels cannot take turns in one boot`,
		`entrylab bench-mail -engines icount,bochs,static,kvm`,
	} {
		if !regexp.MustCompile(want).MatchString(words) {
			t.Errorf("no %s in\n%s", want, mail)
		}
	}
}

// TestBenchMailNoEngine: without an engine that boots each kernel by itself there are no
// figures, and why is said of each engine; nothing is booted.
func TestBenchMailNoEngine(t *testing.T) {
	linux := need.Linux(t)
	status, mail, said := played(t, "bench-mail", "-engines", "bochs,static,kvm", linux, longerEntry(t, linux))
	if status != exitError || mail != "" {
		t.Fatalf("status %d, %q", status, mail)
	}
	for _, want := range []string{
		"no engine measures here: ", "it boots a disk image", "it reads the code of generated kernels", "two real kernels cannot take turns in one boot",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("no %q in %s", want, said)
		}
	}
}

// TestSweepKernels: where the functions of real kernels lie is said side by side; the same
// kernel with another entry has them at the same places.
func TestSweepKernels(t *testing.T) {
	if !*allKernels {
		return
	}
	need.QEMU(t)
	t.Parallel()
	linux := need.Linux(t)
	status, out, said := played(t, "sweep", linux, longerEntry(t, linux))
	if status != 0 {
		t.Fatalf("status %d: %s", status, said)
	}
	for _, want := range []string{
		`(?m)^function +stage +Linux \S+ \(vmlinuz\) +Linux \S+ \(vmlinuz-longer\)$`,
		`(?m)^entry_SYSCALL_64 +assembly entry +\+0 +\+0$`,
		`(?m)^do_syscall_64 +C entry +\+(\d+) +\+(\d+)$`,
		`(?m)^syscall_return_via_sysret +assembly exit +\+\d+ +\+\d+$`,
		`All of them lie at the same places in a line\.`,
		`entrylab sweep linux-6\.12`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
}

// TestKernelsBad: what cannot be compared or booted is said in one line.
func TestKernelsBad(t *testing.T) {
	need.QEMU(t)
	linux := need.Linux(t)
	whole, err := os.ReadFile(linux)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, data []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	short := write("short", whole[:len(whole)/2])
	for _, row := range []struct {
		name string
		args []string
		want string
	}{
		{"one alone", []string{"compare", linux}, "want at least two subjects"},
		{"one twice", []string{"compare", linux, linux}, "is named twice"},
		{"an engine with noise", []string{"compare", "-engine", "kvm", linux, "linux-6.12"}, "only exact counts compare them"},
		{"an engine that boots disks", []string{"compare", "-engine", "bochs", linux, linux + " nopti"}, "use -engine icount"},
		{"cut off", []string{"compare", linux, short}, "the kernel is cut off: it has "},
		{"a small stub", []string{"compare", linux, "./nowhere.S"}, "no such file"},
		{"a sweep of a kernel and a variant", []string{"sweep", linux, "linux-6.12"}, "want one variant, or Linux kernels alone"},
		{"a kernel's cycles", []string{"sweep", "-engine", "replay", linux}, "-engine and -step are for a variant"},
		{"no init", []string{"trace", linux + " rdinit=/nowhere"}, "it found no init in the initramfs (CONFIG_BLK_DEV_INITRD)"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			status, out, said := played(t, row.args...)
			if status != exitError || out != "" || !strings.Contains(said, row.want) || strings.Count(said, "\n") != 1 {
				t.Errorf("status %d, output %q, error %q, want one line with %q", status, out, said, row.want)
			}
		})
	}
}
