package group

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestRun: what a program started and left running ends with it, also where it fails or
// its context is done.
func TestRun(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		cancelled    bool
		want         string // the error; empty: none
	}{
		{"it ends", "sleep 1000.125 & echo out", false, ""},
		{"it fails", "sleep 1000.125 & echo out; exit 3", false, "exit status 3"},
		{"it waits", "sleep 1000.125 & echo out; wait", true, "signal: killed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// The end of the pipe comes when nobody has it open any more.
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var out bytes.Buffer
			cmd := exec.CommandContext(ctx, "/bin/sh", "-c", tt.script)
			cmd.Stdout, cmd.ExtraFiles = io.MultiWriter(&out, writer(func() {
				if tt.cancelled {
					cancel()
				}
			})), []*os.File{w}
			err = Run(cmd)
			w.Close()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if out.String() != "out\n" {
				t.Errorf("it printed %q", out.String())
			}
			if err := r.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			if _, err := r.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("something holds the pipe open: %v", err)
			}
		})
	}
}

// writer calls a function at each write.
type writer func()

func (w writer) Write(p []byte) (int, error) {
	w()
	return len(p), nil
}
