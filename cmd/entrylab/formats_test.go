package main

import (
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"
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
			if err != nil || len(rows) < 2 || strings.Join(rows[0], ",") != tt.column {
				t.Errorf("csv: %v\n%s", err, stdout)
			}
		})
	}
}
