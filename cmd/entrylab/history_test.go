package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/perf/benchfmt"
)

// TestShard: a job of an array does the part that its system's variables say.
func TestShard(t *testing.T) {
	for _, tt := range []struct {
		flag, env, want string
	}{
		{"", "", "1/1"},
		{"2/4", "", "2/4"},
		{"2/4", "CI_NODE_INDEX=1 CI_NODE_TOTAL=3", "2/4"},
		{"", "SLURM_ARRAY_TASK_ID=7 SLURM_ARRAY_TASK_MIN=5 SLURM_ARRAY_TASK_COUNT=4", "3/4"},
		{"", "SLURM_ARRAY_TASK_ID=0 SLURM_ARRAY_TASK_COUNT=4", "1/4"},
		{"", "JOB_COMPLETION_INDEX=0 JOB_COMPLETIONS=4", "1/4"},
		{"", "CI_NODE_INDEX=4 CI_NODE_TOTAL=4", "4/4"},
		{"", "BUILDKITE_PARALLEL_JOB=3 BUILDKITE_PARALLEL_JOB_COUNT=4", "4/4"},
		{"", "CIRCLE_NODE_INDEX=1 CIRCLE_NODE_TOTAL=2", "2/2"},
		{"0/4", "", "-shard"},
		{"5/4", "", "-shard"},
		{"half", "", "-shard"},
		{"", "JOB_COMPLETION_INDEX=0", "JOB_COMPLETION_INDEX"},
		{"", "CI_NODE_INDEX=0 CI_NODE_TOTAL=4", "CI_NODE_INDEX"},
		{"", "JOB_COMPLETION_INDEX=4 JOB_COMPLETIONS=4", "JOB_COMPLETION_INDEX"},
		{"", "SLURM_ARRAY_TASK_ID=4 SLURM_ARRAY_TASK_MIN=a SLURM_ARRAY_TASK_COUNT=4", "SLURM_ARRAY_TASK_MIN"},
		{"", "SLURM_ARRAY_TASK_ID=1", "SLURM_ARRAY_TASK_ID"},
	} {
		t.Run(tt.flag+" "+tt.env, func(t *testing.T) {
			env := map[string]string{}
			for _, word := range strings.Fields(tt.env) {
				name, value, _ := strings.Cut(word, "=")
				env[name] = value
			}
			i, n, err := shard(tt.flag, func(name string) string { return env[name] })
			got := fmt.Sprintf("%d/%d", i, n)
			if err != nil {
				got = err.Error()
			}
			if got != tt.want && (err == nil || !strings.HasPrefix(got, tt.want+" ")) {
				t.Errorf("it is %q, want %q", got, tt.want)
			}
		})
	}
}

// TestExportBench: what `results export` prints for benchstat can be read as such, with
// the night to compare by.
func TestExportBench(t *testing.T) {
	dir := t.TempDir()
	matrix, store := filepath.Join(dir, "m.toml"), filepath.Join(dir, "nights")
	if err := os.WriteFile(matrix, []byte("subjects = [\"linux-3.19\"]\nengines = [\"static\"]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, night := range []string{"2026-01-01", "2026-01-02"} {
		if status, _, stderr := played(t, "nightly", "-matrix", matrix, "-store", store, "-night", night); status != 0 {
			t.Fatal(stderr)
		}
	}
	status, stdout, stderr := played(t, "results", "export", "-store", store, "-format", "bench")
	if status != 0 {
		t.Fatal(stderr)
	}
	nights := map[string]int{}
	reader := benchfmt.NewReader(strings.NewReader(stdout), "export")
	for reader.Scan() {
		switch r := reader.Result().(type) {
		case *benchfmt.SyntaxError:
			t.Error(r)
		case *benchfmt.Result:
			nights[r.GetConfig("night")]++
			if _, ok := r.Value("instructions/op"); !ok && strings.Contains(string(r.Name), "insns") {
				t.Errorf("%s has no instructions", r.Name)
			}
		}
	}
	if err := reader.Err(); err != nil {
		t.Error(err)
	}
	if len(nights) != 2 || nights["2026-01-01"] == 0 || nights["2026-01-01"] != nights["2026-01-02"] {
		t.Errorf("results of the nights: %v", nights)
	}
}
