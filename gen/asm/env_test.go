package asm

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestEnvironment starts this test again with values that make golang-asm end
// the process that imports it. It checks that a link succeeds there, and that the
// values reach the processes that it starts.
func TestEnvironment(t *testing.T) {
	hostile := []string{
		"GOARM=7,softfloat", "GOPPC64=power10", "GOMIPS=foo", "GOMIPS64=foo", "GOWASM=foo", "GO386=foo",
		"GOOS=wasip1", "GOARCH=riscv64", "GOAMD64=v4", "GOEXPERIMENT=foo", "GOROOT=",
	}
	if os.Getenv("ASM_TEST_ENVIRONMENT") != "" {
		mustLink(t, linked())
		for _, want := range hostile {
			if !slices.Contains(os.Environ(), want) {
				fmt.Println("lost:", want)
			}
		}
		fmt.Println("linked")
		return
	}
	cases := [][]string{hostile}
	for _, one := range hostile {
		cases = append(cases, []string{one})
	}
	for _, env := range cases {
		cmd := exec.Command(os.Args[0], "-test.run=^TestEnvironment$", "-test.v")
		cmd.Env = slices.Concat(os.Environ(), []string{"ASM_TEST_ENVIRONMENT=1"}, env)
		out, err := cmd.CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte("linked\n")) {
			t.Errorf("%s: %v\n%s", strings.Join(env, " "), err, out)
		}
		if len(env) > 1 && bytes.Contains(out, []byte("lost:")) {
			t.Errorf("not handed on:\n%s", out)
		}
	}
}
