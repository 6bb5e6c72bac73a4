package kernel

import (
	"bytes"
	"strings"
	"testing"

	"github.com/u-root/u-root/pkg/cpio"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

func TestSysCalls(t *testing.T) {
	handlers := map[string]bool{}
	for _, f := range Body().Funcs {
		if name, ok := strings.CutPrefix(f.Name, "sys_"); ok && name != "ni_syscall" {
			handlers[name] = false
		}
	}
	last := -1
	for _, c := range sysCalls() {
		name := strings.TrimPrefix(c.handler().Name, "sys_")
		if c.nr <= last {
			t.Errorf("%d %s comes after %d", c.nr, name, last)
		}
		last = c.nr
		if c.nr > layout.SysCallMax {
			t.Errorf("%d %s is beyond the table, which ends at %d", c.nr, name, layout.SysCallMax)
		}
		if _, ok := handlers[name]; !ok {
			t.Errorf("%d %s: its handler is not in the program", c.nr, name)
		}
		handlers[name] = true
	}
	for _, c := range layout.FullFrameCalls {
		if used, ok := handlers[c.Name]; !ok || used {
			t.Errorf("%d %s has no handler %s, or is listed among the others too", c.Nr, c.Name, c.Handler())
		}
		handlers[c.Name] = true
	}
	for name, used := range handlers {
		if !used {
			t.Errorf("sys_%s has no number", name)
		}
	}
}

// TestSizes checks what the listings know of sizes without asking.
func TestSizes(t *testing.T) {
	for _, c := range []struct {
		name      string
		got, want int
	}{
		{"FD, indexed by a shift of 4", SizeOf[layout.FD[Mem]](), 16},
		{"struct stat", SizeOf[layout.Stat[Mem]](), 144},
		{"AreaFile, bit 2", layout.AreaFile, 1 << 2},
		{"struct statx", SizeOf[layout.Statx[Mem]](), 256},
		{"FDsPerPage, shifted by 8", layout.FDsPerPage, 1 << 8},
		{"FX, for FXSAVE", thread(RBX).FX[0].Disp() % 16, 0},
		{"struct utsname", 6 * utsField, 390},
		{"O_CLOEXEC, shifted by 19", O_CLOEXEC, 1 << 19},
		{"AT_SYMLINK_NOFOLLOW, shifted by 8", AT_SYMLINK_NOFOLLOW, 1 << 8},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", c.name, c.got, c.want)
		}
	}
}

// TestBuiltinCpio reads the kernel's own archive with another reader.
func TestBuiltinCpio(t *testing.T) {
	archive, at := builtinCpio()
	r := cpio.Newc.Reader(bytes.NewReader(archive))
	for _, want := range builtinNodes {
		if !bytes.HasPrefix(archive[at[want.name]:], []byte(newcMagic)) {
			t.Errorf("%s: there is no header at %d", want.name, at[want.name])
		}
		rec, err := r.ReadRecord()
		if want.name == newcTrailer {
			if err == nil {
				t.Errorf("after the last node: %v", rec)
			}
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", want.name, err)
		}
		if rec.Name != want.name || rec.Mode != uint64(want.mode) || rec.Rmajor != uint64(want.major) || rec.Rminor != uint64(want.minor) {
			t.Errorf("%s: got %v", want.name, rec)
		}
	}
}
