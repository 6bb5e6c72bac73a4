package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/internal/need"
)

// TestTrace: every instruction of a call is printed, and there are as many as the guest
// counts, on a generated kernel and on Linux.
func TestTrace(t *testing.T) {
	need.QEMU(t)
	linux := need.Linux(t)
	for _, row := range []struct {
		name string
		args []string
		want []string
		same bool
	}{
		{"a variant", []string{"trace", "linux-3.19"}, []string{
			"linux-3.19: getppid, 42 instructions", "the guest counts 42 in the same boot", "sys_getppid+0x2 ", "mov %rsp,%gs:0x0\n",
		}, true},
		{"arguments", []string{"trace", "linux-6.12", "uname", "BUF"}, []string{"linux-6.12: uname BUF, ", "copy_to_user+0x"}, false},
		{"Linux", []string{"trace", linux}, []string{
			": getppid, ", "entry_SYSCALL_64+0x0 ", "do_syscall_64+0x", "__task_pid_nr_ns", "syscall_return_via_sysret", " sysretq\n",
		}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			status, out, said := played(t, row.args...)
			if status != 0 {
				t.Fatalf("status %d: %s", status, said)
			}
			for _, want := range row.want {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in\n%s", want, out)
				}
			}
			_, rest, _ := strings.Cut(out, "getppid, ")
			total, _, _ := strings.Cut(rest, " ")
			if row.same && !strings.Contains(out, "the guest counts "+total+" in the same boot") {
				t.Errorf("%s instructions are followed, and the guest counts otherwise:\n%.300s", total, out)
			}
		})
	}
}

func TestTraceBad(t *testing.T) {
	need.QEMU(t)
	file := filepath.Join(t.TempDir(), "vmlinuz")
	if err := os.WriteFile(file, []byte("no kernel"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		args []string
		want string
	}{
		{"nothing", nil, "want a variant or the file of a Linux kernel"},
		{"an unknown variant", []string{"linux-6.2"}, "linux-6.12"},
		{"an unknown call", []string{"linux-3.19", "getpid2"}, `call "getpid2": did you mean`},
		{"too many arguments", []string{"linux-3.19", "getppid", "1", "2", "3", "4", "5", "6", "7"}, "at most 6"},
		{"a bad argument", []string{"linux-3.19", "getppid", "x"}, `argument "x"`},
		{"words for no kernel", []string{"-append", "x", "linux-3.19"}, "-append is for a Linux kernel"},
		{"no file", []string{"./nowhere"}, "nowhere"},
		{"a call that does not return", []string{"linux-3.19", "exit_group", "0"}, "the machine ends in the call"},
		{"no kernel", []string{file}, "no Linux kernel image"},
		{"a call that waits", []string{"linux-3.19", "pause"}, "so one that waits never ends"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			status, out, said := played(t, append([]string{"trace"}, row.args...)...)
			if status != exitError || out != "" || !strings.Contains(said, row.want) {
				t.Errorf("status %d, output %q, error %q, want %q in it", status, out, said, row.want)
			}
		})
	}
}
