package vm

import (
	"strings"
	"syscall"
	"testing"
)

// TestVerdict has the ends that the script kernel cannot, or not surely, be
// brought to.
func TestVerdict(t *testing.T) {
	const exited = "entrylab: init exited with status 0"
	tests := []struct {
		name   string
		end    ending
		want   Outcome
		status int
		reason string // in the reason
	}{
		{"highest status", ending{code: 1, lastLog: "entrylab: init exited with status 255"}, Exited, 255, "init exited"},
		{"status too high", ending{code: 1, lastLog: "entrylab: init exited with status 256"}, Crash, 0, "exit code is 1"},
		{"status negative", ending{code: 1, lastLog: "entrylab: init exited with status -1"}, Crash, 0, "exit code is 1"},
		{"status missing", ending{code: 1, lastLog: "entrylab: init exited with status "}, Crash, 0, "exit code is 1"},
		{"not the kernel's line", ending{code: 1, lastLog: "init exited with status 0"}, Crash, 0, "exit code is 1"},
		{"code of a signal, line of an exit", ending{code: 3, lastLog: exited}, Crash, 0, "last in the log: " + exited},
		{"code of an exit, line of a signal", ending{code: 1, lastLog: "entrylab: init killed by signal 9 (SIGKILL)"}, Crash, 0, "exit code is 1"},
		{"signal without details", ending{code: 3, lastLog: "entrylab: init killed by signal 9"}, Signaled, 9, "signal 9"},
		{"signal too high", ending{code: 3, lastLog: "entrylab: init killed by signal 65 (?)"}, Crash, 0, "exit code is 3"},
		{"panic without its end", ending{code: 5, panicLog: "entrylab: panic: x", lastLog: "entrylab: RAX"}, Crash, 0, "began to panic: x"},
		{"panic without its begin", ending{code: 5, lastLog: "entrylab: end of panic"}, Crash, 0, "exit code is 5"},
		{"refused without a line", ending{code: 7, lastLog: exited}, Crash, 0, "exit code is 7"},
		{"a panic before an exit does not spoil it", ending{code: 1, panicLog: "entrylab: panic: x", lastLog: exited}, Exited, 0, "exited"},
		{"unknown code", ending{code: 9, lastLog: exited}, Crash, 0, "exit code is 9"},
		{"time-out after the last line", ending{signal: syscall.SIGKILL, timeout: "no end", lastLog: exited}, TimedOut, 0, "no end; last in the log: "},
		{"killed after the last line", ending{signal: syscall.SIGKILL, lastLog: exited}, Crash, 0, "killed by signal 9"},
		{"a warning is no failed start", ending{code: 1, silent: true, said: "qemu: warning: x\n"}, Crash, 0, "nothing came on console and log"},
		{"time-out of a QEMU that complains", ending{signal: syscall.SIGKILL, timeout: "no end", silent: true, said: "qemu: x\n"}, TimedOut, 0, "QEMU said: qemu: x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			outcome, status, reason, err := tt.end.verdict()
			if err != nil {
				t.Fatal(err)
			}
			if outcome != tt.want || status != tt.status || !strings.Contains(reason, tt.reason) {
				t.Errorf("verdict = %v, status %d, %q; want %v, status %d, ...%s...", outcome, status, reason, tt.want, tt.status, tt.reason)
			}
		})
	}
}

func TestStreamLastLine(t *testing.T) {
	tests := []struct {
		name   string
		writes []string
		last   string
		panic  string
	}{
		{"nothing", nil, "", ""},
		{"whole line", []string{"one\n"}, "one", ""},
		{"in pieces", []string{"o", "n", "e", "\r", "\ntw", "o\n"}, "two", ""},
		{"cut", []string{"one\ntw"}, "", ""},
		{"empty line", []string{"one\n\n"}, "", ""},
		{"first panic stays", []string{"entrylab: panic: a\n", "entrylab: panic: b\nend\n"}, "end", "entrylab: panic: a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := newRecorder()
			for _, w := range tt.writes {
				if n, err := rec.log.Write([]byte(w)); n != len(w) || err != nil {
					t.Fatalf("Write = %d, %v", n, err)
				}
			}
			if end := rec.ending(); end.lastLog != tt.last || end.panicLog != tt.panic {
				t.Errorf("last %q, panic %q; want %q, %q", end.lastLog, end.panicLog, tt.last, tt.panic)
			}
		})
	}
}
