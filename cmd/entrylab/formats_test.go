package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

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

// unconfigured is what the configuration in a JSON document lacks of this program and
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
