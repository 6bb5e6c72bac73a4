package kernel

import (
	"testing"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// TestThreadLayout checks what the CPU asks of a Thread's place.
func TestThreadLayout(t *testing.T) {
	th := thread(RDI)
	if th.FX[0].Disp()%16 != 0 {
		t.Errorf("Thread.FX is at %d: FXSAVE64 wants a 16-byte boundary", th.FX[0].Disp())
	}
	if th.Flags.Disp() != 0 {
		t.Errorf("Thread.Flags is at %d: the exits look for it at 0", th.Flags.Disp())
	}
	if n := SizeOf[layout.Thread[Mem]](); n > layout.ThreadSize/8 {
		t.Errorf("a Thread of %d bytes leaves little of the %d-byte stack that it lies on", n, layout.ThreadSize)
	}
}

// TestSignalFrame compares the frame with the offsets that programs know it by
// (Linux arch/x86/include/asm/sigframe.h and the headers named in package
// layout, compiled for x86-64).
func TestSignalFrame(t *testing.T) {
	f := Fields[layout.RTSigFrame[Mem]](RSP)
	for _, tt := range []struct {
		name  string
		field Mem
		want  int
	}{
		{"pretcode", f.Restorer, 0},
		{"uc", f.UC.Flags, 8},
		{"uc.uc_link", f.UC.Link, 16},
		{"uc.uc_stack.ss_sp", f.UC.Stack.SP, 24},
		{"uc.uc_stack.ss_flags", f.UC.Stack.Flags, 32},
		{"uc.uc_stack.ss_size", f.UC.Stack.Size, 40},
		{"uc.uc_mcontext", f.UC.MC.R8, 48},
		{"uc.uc_mcontext.di", f.UC.MC.DI, 48 + 64},
		{"uc.uc_mcontext.ip", f.UC.MC.IP, 48 + 128},
		{"uc.uc_mcontext.cs", f.UC.MC.Segments, 48 + 144},
		{"uc.uc_mcontext.cr2", f.UC.MC.CR2, 48 + 176},
		{"uc.uc_mcontext.fpstate", f.UC.MC.FPState, 48 + 184},
		{"uc.uc_sigmask", f.UC.SigMask, 304},
		{"info.si_signo", f.Info.SignoErrno, 312},
		{"info.si_code", f.Info.Code, 320},
		{"info.si_addr", f.Info.Addr, 328},
	} {
		if tt.field.Disp() != tt.want {
			t.Errorf("%s is at %d, on Linux at %d", tt.name, tt.field.Disp(), tt.want)
		}
	}
	if n := SizeOf[layout.RTSigFrame[Mem]](); n != 440 {
		t.Errorf("the frame is %d bytes long, on Linux 440", n)
	}
	if actionSize != 32 {
		t.Errorf("a SigAction is %d bytes long; actionOf shifts by 5", actionSize)
	}
	if n := SizeOf[layout.FutexBucket[Mem]](); n != bucketSize {
		t.Errorf("a FutexBucket is %d bytes long; futexBucket shifts for %d", n, bucketSize)
	}
}

// TestNullCall keeps the call that measures the entry path from growing.
func TestNullCall(t *testing.T) {
	for _, f := range threads().Funcs {
		if f.Name == "sys_getppid" && len(f.Body) != 2 {
			t.Errorf("sys_getppid has %d instructions: the null call measures the entry, not the handler", len(f.Body))
		}
	}
}
