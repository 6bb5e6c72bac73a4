package main

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/internal/build"
	"github.com/entrylab/entrylab/internal/need"
)

// TestFormats: what prints a table prints it in every format that its help names, and
// what is for programs can be read by them.
func TestFormats(t *testing.T) {
	for _, tt := range []struct {
		command, key, column string
	}{
		{"variants", "presets", ""},
		{"layout", "slots", "slot,offset,hex"},
		{"verify -engine host", "kernels", "kernel,pass,differ,skip,error"},
		{"doctor", "engines", "engine,here,\"by, or why not\",what it does"},
		{"version", "entrylab", "version,revision,built by,for"},
	} {
		t.Run(tt.command, func(t *testing.T) {
			args := strings.Fields(tt.command)
			_, stdout, stderr := played(t, append(args, "-format", "json")...)
			var document map[string]any
			if err := json.Unmarshal([]byte(stdout), &document); err != nil {
				t.Fatalf("%v\n%s%s", err, stdout, stderr)
			}
			if rows, _ := document[tt.key].([]any); len(rows) == 0 {
				t.Errorf("JSON has no rows of %s:\n%s", tt.key, stdout)
			}
			for _, problem := range unconfigured(document) {
				t.Error(problem)
			}
			if _, stdout, _ = played(t, append(args, "-format", "html")...); !strings.Contains(stdout, "<table>") {
				t.Errorf("no table in HTML:\n%s", stdout)
			}
			status, stdout, stderr := played(t, append(args, "-format", "csv")...)
			if tt.column == "" {
				if status != exitError || !strings.Contains(stderr, "want text, json or html") {
					t.Errorf("csv: status %d, %s", status, stderr)
				}
				return
			}
			rows, err := csv.NewReader(strings.NewReader(stdout)).ReadAll()
			if err != nil || len(rows) < 2 || !strings.HasPrefix(stdout, tt.column+"\n") {
				t.Errorf("csv: %v\n%s", err, stdout)
			}
		})
	}
}

// TestTextFormats: what has a text of its own has its facts for programs too.
func TestTextFormats(t *testing.T) {
	dir := t.TempDir()
	nights := filepath.Join(dir, "nights")
	matrix := filepath.Join(dir, "m.toml")
	if err := os.WriteFile(matrix, []byte("subjects = [\"linux-3.19\"]\nengines = [\"static\"]\nverify = false\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args      []string
		key, head string // the head of its CSV; empty: it has none
	}{
		{[]string{"list", "linux-3.19"}, "instructions", "function,offset,bytes,instruction,then holds,reached"},
		{[]string{"diff", "linux-3.19", "linux-3.19+a"}, "lines", "function,same,linux-3.19,linux-3.19+a"},
		{[]string{"prove", "linux-3.19"}, "proofs", "variant,outcome,base,claims,paths,instructions,unreached,found"},
		{[]string{"nightly", "-matrix", matrix, "-store", nights, "-night", "one"}, "cells", "cell,outcome,seconds,finding,series,since,detail"},
		{[]string{"nightly", "-plan", "-matrix", matrix, "-store", nights}, "cells", "cell,took last"},
		{[]string{"results", "list", "-store", nights}, "series", "series,entries,last"},
		{[]string{"results", "show", "-store", nights, "static linux-3.19: insns"}, "entries", "night,value,machine,build"},
		{[]string{"results", "merge", filepath.Join(dir, "other"), nights}, "merged", "from,entries"},
		{[]string{"accept", "-store", nights, "-reason", "why", "static linux-3.19: insns"}, "accepted", "series,value,night"},
		{[]string{"clean"}, "cleaned", "folder,bytes,kept"},
	} {
		t.Run(tt.args[0]+" "+tt.key, func(t *testing.T) {
			status, stdout, stderr := played(t, append(tt.args, "-format", "json")...)
			var document map[string]any
			if err := json.Unmarshal([]byte(stdout), &document); err != nil || status != 0 {
				t.Fatalf("status %d, %v\n%s%s", status, err, stdout, stderr)
			}
			if rows, _ := document[tt.key].([]any); len(rows) == 0 {
				t.Errorf("JSON has no rows of %s:\n%s", tt.key, stdout)
			}
			for _, problem := range unconfigured(document) {
				t.Error(problem)
			}
			if tt.head == "" {
				return
			}
			if _, stdout, _ = played(t, append(tt.args, "-format", "csv")...); !strings.HasPrefix(stdout, tt.head+"\n") {
				t.Errorf("csv: %.300s", stdout)
			}
		})
	}
}

// unconfigured returns what the configuration in a JSON document lacks of this program and
// this host.
func unconfigured(document map[string]any) (problems []string) {
	config, _ := document["config"].(map[string]any)
	program, _ := config["entrylab"].(map[string]any)
	if program["version"] != build.Version || program["revision"] == nil || program["go"] == nil {
		problems = append(problems, fmt.Sprintf("JSON does not say which entrylab made it: %v", program))
	}
	for _, key := range []string{"host", "kernel"} {
		if text, _ := config[key].(string); text == "" {
			problems = append(problems, fmt.Sprintf("JSON does not say the %s: %v", key, config))
		}
	}
	return problems
}

// TestConfigured: figures come with the configuration that they hold for.
func TestConfigured(t *testing.T) {
	need.QEMU(t)
	if got := unconfigured(map[string]any{"config": map[string]any{"host": "x"}}); len(got) != 2 {
		t.Errorf("a document without a program and a kernel: %q", got)
	}
	for command, want := range map[string][]string{
		"compare -engine icount linux-3.19 linux-4.1": {"icount", "microvm", "max", "QEMU "},
		"verify -engine icount -variants linux-3.19":  {"icount", "microvm", "max", "QEMU "},
		"compare -engine static linux-3.19 linux-4.1": {"static", "none", "any", ""},
	} {
		_, stdout, stderr := played(t, append(strings.Fields(command), "-format", "json")...)
		var document map[string]any
		if err := json.Unmarshal([]byte(stdout), &document); err != nil {
			t.Errorf("%s: %v\n%s", command, err, stderr)
			continue
		}
		for _, problem := range unconfigured(document) {
			t.Errorf("%s: %s", command, problem)
		}
		config, _ := document["config"].(map[string]any)
		for i, key := range []string{"engine", "machine", "cpu", "emulator"} {
			if got, _ := config[key].(string); !strings.HasPrefix(got, want[i]) || got != "" && want[i] == "" {
				t.Errorf("%s: the %s is %q, want %q", command, key, got, want[i])
			}
		}
	}
}

// withoutJSON returns the commands, with their subcommands, that print nothing for
// programs.
func withoutJSON(commands []*cli.Command) (names []string) {
	for _, c := range commands {
		if len(c.Commands) > 0 {
			names = append(names, withoutJSON(c.Commands)...)
			continue
		}
		if !slices.ContainsFunc(c.Flags, func(f cli.Flag) bool {
			help, _ := f.(cli.DocGenerationFlag)
			return f.Names()[0] == "json" || f.Names()[0] == "format" && strings.Contains(help.GetUsage(), "json")
		}) {
			names = append(names, c.Name)
		}
	}
	return names
}

// TestEveryJSON: every command but those that write scripts and manual pages has JSON.
func TestEveryJSON(t *testing.T) {
	bad := []*cli.Command{{Name: "bad", Commands: []*cli.Command{{Name: "worse", Flags: []cli.Flag{&cli.StringFlag{Name: "format", Usage: "text or csv"}}}}}}
	if got := withoutJSON(bad); !slices.Equal(got, []string{"worse"}) {
		t.Errorf("without JSON: %q", got)
	}
	if got := withoutJSON((&env{}).root().VisibleCommands()); !slices.Equal(got, []string{"completion"}) {
		t.Errorf("without JSON: %q", got)
	}
}

// TestAbout: build and boot, whose output is something else, write their JSON to a file.
func TestAbout(t *testing.T) {
	need.QEMU(t)
	dir := t.TempDir()
	image, about := filepath.Join(dir, "x.elf"), filepath.Join(dir, "x.json")
	hello, ending := filepath.Join(programDir, "hello"), filepath.Join(programDir, "ending")
	read := func(key string) map[string]any {
		t.Helper()
		text, err := os.ReadFile(about)
		var document map[string]any
		if err := errors.Join(err, json.Unmarshal(text, &document)); err != nil {
			t.Fatal(err)
		}
		for _, problem := range unconfigured(document) {
			t.Error(problem)
		}
		rows, _ := document[key].([]any)
		if len(rows) == 0 {
			t.Fatalf("JSON has no rows of %s:\n%s", key, text)
		}
		first, _ := rows[0].(map[string]any)
		first["config"] = document["config"]
		return first
	}
	if status, stdout, stderr := played(t, "build", "-variants", "linux-4.1", "-init", hello, "-o", image, "-json", about); status != 0 || !strings.HasPrefix(stdout, image+": ") {
		t.Fatalf("status %d: %s%s", status, stdout, stderr)
	}
	file, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	if got := read("image"); got["sha256"] != fmt.Sprintf("%x", sha256.Sum256(file)) || got["bytes"] != float64(len(file)) || got["format"] != "elf" {
		t.Errorf("the image is %v", got)
	}
	kernel, err := elf.NewFile(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	symbols, err := kernel.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	entry := slices.IndexFunc(symbols, func(s elf.Symbol) bool { return s.Name == "entry_SYSCALL_64.linux-4.1" })
	if got := read("variants"); entry < 0 || got["variant"] != "linux-4.1" || got["entry"] != fmt.Sprintf("%#x", symbols[max(entry, 0)].Value) {
		t.Errorf("the variant is %v", got)
	}
	if got := read("sections"); got["section"] != ".text" || got["address"] != fmt.Sprintf("%#x", kernel.Section(".text").Addr) {
		t.Errorf("the section is %v", got)
	}
	status, stdout, _ := played(t, "build", "-variants", "linux-4.1", "-init", hello, "-o", image, "-json", "-")
	if text, _ := os.ReadFile(about); status != 0 || stdout != string(text) {
		t.Errorf("status %d; -json - prints\n%s", status, stdout)
	}

	for _, tt := range []struct {
		args    string
		status  int
		outcome string
	}{{"exit 7", 7, "exited"}, {"segv", 128 + 11, "signaled"}} {
		args := []string{"boot", "-engine", "tcg", "-init", ending, "-json", about, "--"}
		if status, _, stderr := played(t, append(args, strings.Fields(tt.args)...)...); status != tt.status {
			t.Errorf("%s: status %d: %s", tt.args, status, stderr)
		}
		got := read("boot")
		config, _ := got["config"].(map[string]any)
		emulator, _ := config["emulator"].(string)
		if got["outcome"] != tt.outcome || got["status"] != float64(tt.status%128) || config["engine"] != "tcg" || !strings.HasPrefix(emulator, "QEMU ") {
			t.Errorf("%s: %v", tt.args, got)
		}
	}
}
