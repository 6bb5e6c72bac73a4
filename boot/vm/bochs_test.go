package vm

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/internal/need"
)

// TestLineFilter feeds Bochs's two outputs as they come, in pieces.
func TestLineFilter(t *testing.T) {
	for _, tt := range []struct {
		name     string
		keep     func([]byte) bool
		in, want string
	}{
		{"log", isLog, "Bochs x86 Emulator 2.7\n<bochs:1> c\nentrylab: init exited with status 0\n(0).[333] out dx, al\n", "entrylab: init exited with status 0\n"},
		{"unfinished", isLog, "entrylab: init ex", ""},
		{
			"complaints", isComplaint,
			"00000000000i[PLUGIN] loaded plugin libbx_x.so\n========\nBochs is exiting with the following message:\n[UNMAP ] Shutdown port: shutdown requested\n\n00033p\n",
			"[UNMAP ] Shutdown port: shutdown requested\n00033p\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			f := &lineFilter{to: &out, keep: tt.keep}
			for _, b := range []byte(tt.in) {
				if n, err := f.Write([]byte{b}); n != 1 || err != nil {
					t.Fatal(n, err)
				}
			}
			if out.String() != tt.want {
				t.Errorf("got %q, want %q", out.String(), tt.want)
			}
		})
	}
}

// TestOwnBochs: a Bochs of one's own needs no X server and may lack sound; one that cannot
// be run is an error.
func TestOwnBochs(t *testing.T) {
	t.Setenv(BochsVariable, "") // and as it was at the end
	args := func() string { return strings.Join(new(Config).bochsArgs("disk", "console"), "\n") }
	if a := args(); !strings.Contains(a, "display_library: x\n") || !strings.Contains(a, "sound: ") {
		t.Errorf("the host's Bochs gets\n%s", a)
	}
	if err := UseBochs(filepath.Join(t.TempDir(), "bochs")); err == nil {
		t.Error("a Bochs that is not there is used")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := UseBochs(self); err != nil {
		t.Fatal(err)
	}
	if program, own := bochsProgram(); program != self || !own {
		t.Errorf("the program is %s, own %v", program, own)
	}
	if a := args(); !strings.Contains(a, "display_library: nogui\n") || strings.Contains(a, "sound: ") {
		t.Errorf("one's own Bochs gets\n%s", a)
	}
}

// TestBochsVerdict checks that the log's last line counts only if Bochs ended
// because the kernel asked for it.
func TestBochsVerdict(t *testing.T) {
	for _, tt := range []struct {
		name   string
		end    ending
		want   Outcome
		reason string
	}{
		{"exited", ending{lastLog: "entrylab: init exited with status 3", shutdown: true, code: 1}, Exited, "init exited with status 3"},
		{"signaled", ending{lastLog: "entrylab: init killed by signal 11 (SIGSEGV)", shutdown: true}, Signaled, "killed by signal 11"},
		{"panic", ending{lastLog: "entrylab: end of panic", panicLog: "entrylab: panic: #GP", shutdown: true}, Panic, "panic: #GP"},
		{"refused", ending{lastLog: "entrylab: cannot boot: x", shutdown: true}, Refused, "cannot boot: x"},
		{"no shutdown", ending{lastLog: "entrylab: init exited with status 0", code: 1}, Crash, "not because the kernel asked for it"},
		{"no line", ending{shutdown: true}, Crash, "the log's last line is no verdict"},
		{"killed", ending{lastLog: "entrylab: init exited with status 0", signal: 9}, Crash, "Bochs was killed by signal 9"},
		{"time-out", ending{signal: 9, timeout: "no end"}, TimedOut, "no end"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.end.bochs = true
			outcome, _, reason, err := tt.end.verdict()
			if err != nil || outcome != tt.want || !strings.Contains(reason, tt.reason) {
				t.Errorf("%v, %q, %v; want %v with %q", outcome, reason, err, tt.want, tt.reason)
			}
		})
	}
}

// TestDiskConfig checks what is refused of a machine with a disk.
func TestDiskConfig(t *testing.T) {
	disk := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(disk, make([]byte, 512), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		c    Config
		want string
	}{
		{"kernel too", Config{Disk: disk, Kernel: disk}, "give no others"},
		{"command line too", Config{Disk: disk, Append: "x"}, "give no others"},
		{"microvm", Config{Disk: disk, Machine: MicroVM}, "use pc or q35"},
		{"absent", Config{Disk: disk + "x"}, "no such file"},
		{"bochs without", Config{Engine: Bochs, Kernel: disk}, "disk images only"},
		{"bochs on q35", Config{Engine: Bochs, Disk: disk, Machine: Q35}, "only the machine pc"},
		{"bochs with a stick", Config{Engine: Bochs, Disk: disk, Media: Stick}, "from a hard disk only"},
		{"bochs with a comma", Config{Engine: Bochs, Disk: disk, CPU: "x,y"}, "a comma"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Run(t.Context(), tt.c); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v; want %q", err, tt.want)
			}
		})
	}
}

// TestBochsDisk boots a disk that says nothing, which the BIOS refuses, and
// one whose code halts: Bochs must be gone, with its X server, in both cases.
func TestBochsDisk(t *testing.T) {
	if err := Bochs.Available(t.Context(), nil); err != nil {
		need.Missing(t, err.Error())
	}
	for _, tt := range []struct {
		name string
		code []byte
		cpu  string
		end  Outcome
		want string
	}{
		{name: "halts", code: []byte{0xfa, 0xf4}, end: TimedOut, want: afterInstructions(30e6).Error()},
		{name: "unknown CPU", cpu: "vax", end: Crash, want: "cpu directive malformed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			image := make([]byte, 16*63*512)
			copy(image, tt.code)
			image[510], image[511] = 0x55, 0xaa
			disk := filepath.Join(t.TempDir(), "disk.img")
			if err := os.WriteFile(disk, image, 0o600); err != nil {
				t.Fatal(err)
			}
			res, err := Run(t.Context(), Config{Engine: Bochs, Disk: disk, CPU: tt.cpu, Instructions: 30e6})
			if err != nil && !errors.Is(err, ErrBochsStart) {
				t.Fatal(err)
			}
			if res.Outcome != tt.end || !strings.Contains(res.Reason, tt.want) {
				t.Errorf("%v: %q, %v; want %v with %q", res.Outcome, res.Reason, err, tt.end, tt.want)
			}
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(disk), "*.lock")); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}
