package history

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/entrylab/entrylab/measure/history/historytest"
)

// writerOf makes the test's program a writer that appends until it is killed, and
// prints the number of each entry that was acknowledged.
const writerOf = "ENTRYLAB_TEST_WRITER_OF"

func TestMain(m *testing.M) {
	if url := os.Getenv(writerOf); url != "" {
		if err := write(url); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	os.Exit(m.Run())
}

// fullAt is the size of files at which the writer's disk is full, in bytes.
const fullAt = "ENTRYLAB_TEST_FULL_AT"

// write ends with an error only.
func write(url string) error {
	ctx := context.Background()
	if text := os.Getenv(fullAt); text != "" {
		size, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return err
		}
		signal.Ignore(syscall.SIGXFSZ) // so that a write fails
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: size, Max: size}); err != nil {
			return err
		}
	}
	s, err := Open(ctx, url)
	if err != nil {
		return err
	}
	have, err := s.Series(ctx)
	if err != nil {
		return err
	}
	n := 0
	for _, one := range have {
		n += one.Entries
	}
	for ; ; n++ {
		if err := s.Append(ctx, count(n, "a", float64(n))); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

// TestKilled kills writers at any moment: nothing that was acknowledged is lost, and
// the next one goes on.
func TestKilled(t *testing.T) {
	for _, tt := range historytest.Kinds(t) {
		t.Run(tt.Name, func(t *testing.T) {
			t.Parallel()
			url := tt.New(t)
			s := open(t, url)
			last := -1
			for range 10 {
				cmd := exec.CommandContext(t.Context(), os.Args[0])
				cmd.Env, cmd.Stderr = append(os.Environ(), writerOf+"="+url), os.Stderr
				out, err := cmd.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				lines := bufio.NewScanner(out)
				for range 1 + rand.IntN(8) {
					if !lines.Scan() {
						t.Fatal("the writer ended by itself")
					}
				}
				if err := cmd.Process.Kill(); err != nil {
					t.Error(err)
				}
				// What it said before it died counts, too.
				for said := true; said; said = lines.Scan() {
					if last, err = strconv.Atoi(lines.Text()); err != nil {
						t.Fatal(err)
					}
				}
				if err := cmd.Wait(); err == nil {
					t.Fatal("it was not killed")
				}
			}
			got := entries(t, s, Query{})
			if len(got) <= last {
				t.Fatalf("%d entries, and number %d was acknowledged", len(got), last)
			}
			for n, e := range got {
				if e.Values[0] != float64(n) {
					t.Fatalf("entry %d is %v", n, e.Values[0])
				}
			}
		})
	}
}

// acknowledged returns how many numbers a writer printed: from 0 on, each once.
func acknowledged(t *testing.T, out []byte) int {
	t.Helper()
	n := 0
	for line := range strings.Lines(string(out)) {
		if line != fmt.Sprintln(n) {
			t.Fatalf("line %d is %q", n, line)
		}
		n++
	}
	return n
}

// TestFullDisk lets a writer find no more room: it says where, nothing that was
// acknowledged is lost, and once there is room another one goes on.
func TestFullDisk(t *testing.T) {
	for _, tt := range []struct{ name, url, at string }{
		{"folder", filepath.Join(t.TempDir(), "nights"), "20000"},
		{"sqlite", "sqlite:" + filepath.Join(t.TempDir(), "lab.db"), "200000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), writerOf+"="+tt.url, fullAt+"="+tt.at)
			var said strings.Builder
			cmd.Stderr = &said
			out, err := cmd.Output()
			if cmd.ProcessState.ExitCode() != 2 || !strings.HasPrefix(said.String(), "history: ") || !strings.Contains(said.String(), tt.url) {
				t.Errorf("%v: %s", err, said.String())
			}
			n := acknowledged(t, out)
			s := open(t, tt.url)
			got := entries(t, s, Query{})
			if n == 0 || len(got) != n {
				t.Fatalf("%d entries, and %d were acknowledged", len(got), n)
			}
			if err := s.Append(t.Context(), count(n, "a", float64(n))); err != nil {
				t.Fatal(err)
			}
			if got := entries(t, s, Query{}); len(got) != n+1 || got[n].Values[0] != float64(n) {
				t.Errorf("behind them stand %v", got[n:])
			}
		})
	}
}
