package verify

import (
	"encoding/binary"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/guest/control"
	"github.com/entrylab/entrylab/guest/regs"
)

// TestFaultyKernel plays a kernel whose exit path spoils something: each row's
// instructions run right after a real SYSCALL, before the state is stored. It
// shows that what is spoilt is seen by the assembly, and named.
func TestFaultyKernel(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	fx := newTestFixture(t)
	code, errno := mmap(0, syscall.PROT_READ|syscall.PROT_WRITE|syscall.PROT_EXEC, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer munmap(code)
	for _, row := range []struct {
		name  string
		spoil string // machine code
		want  string // "": no error
	}{
		{"nothing", "", ""},
		{"forgets R10", "\x45\x31\xd2", "R10 is 0x0"},                                 // xor %r10d,%r10d
		{"forgets RBX", "\x31\xdb", "BX is 0x0"},                                      // xor %ebx,%ebx
		{"RSP of another thread", "\x48\xbcOTHERSP.", "another thread's"},             // movabs $,%rsp
		{"RSP off by one word", "\x48\x8d\x64\x24\x08", "RIP right, RSP wrong"},       // lea 8(%rsp),%rsp
		{"leaks into RDX", "\x48\xba\x00\x10\x00\x00\x80\x88\xff\xff", "kernel word"}, // movabs $,%rdx
		{"leaks into RCX", "\x48\x83\xc9\xff", "CX is 0xffffffffffffffff"},            // or $-1,%rcx
		{"loses DF", "\xfc", "[DF] differ"},                                           // cld
		{"inverts CF", "\xf5", "[CF] differ"},                                         // cmc
		{"clears XMM5", "\x0f\x57\xed", "XMM5[0]"},                                    // xorps %xmm5,%xmm5
		{"clears XMM15", "\x45\x0f\x57\xff", "XMM15[1]"},                              // xorps %xmm15,%xmm15
		{"resets the x87", "\xdb\xe3", "FCW/FSW/FTW"},                                 // fninit
		{"writes the red zone", "\xc6\x44\x24\xf0\x00", "red zone written"},           // movb $0,-16(%rsp)
		{"pushes on the user's stack", "\xc6\x44\x24\x10\x00", "RSP+16"},              // movb $0,16(%rsp)
		{"wrong result", "\x48\xff\xc0", "AX is"},                                     // inc %rax
	} {
		fx.reset()
		text := "\x0f\x05" + row.spoil + "\xff\x25\x00\x00\x00\x00BACKBACK" // jmp *(%rip)
		address := func(w layout.Word) string {
			return string(binary.LittleEndian.AppendUint64(nil, uint64(w)))
		}
		text = strings.Replace(text, "BACKBACK", address(regs.Address(0, regs.Syscall)+regs.SyscallSize), 1)
		text = strings.Replace(text, "OTHERSP.", address(fx.stackPointer(1)), 1)
		copy(bytesAt(code)[:], text)

		c := fx.call(0, syscall.SYS_GETPPID)
		c.In.Flags = flagsIdle | x86.X86_EFLAGS_DF
		c.Insn = code
		fx.run(c)
		want := fx.wantAfter(c, 0, layout.Word(syscall.Getppid()))
		if !fx.keeps {
			want.CX = code + regs.SyscallSize
		}
		err := fx.compare(c, want, 0)
		if err == nil {
			err = fx.checkStack(0, code)
		}
		if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("%s: got %v, want %q in it", row.name, err, row.want)
		}
	}
}

// newTestFixture returns a fixture on the kernel under the test.
func newTestFixture(t *testing.T) *fixture {
	t.Helper()
	k, err := control.Open()
	if err != nil {
		t.Fatal(err)
	}
	fx, err := newFixture(k, k.Variants[0], 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fx.close)
	t.Cleanup(regs.BlockSignals(syscall.SIGSEGV, syscall.SIGTRAP, syscall.SIGUSR2))
	fx.reset()
	return fx
}
