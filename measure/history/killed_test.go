package history

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
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

// write ends with an error only.
func write(url string) error {
	ctx := context.Background()
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
	for _, tt := range stores(t) {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url := tt.url(t)
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
