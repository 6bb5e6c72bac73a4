package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/measure/nightly"
)

// lab is the folder of the recipes that docs/lab.md has.
const lab = "../../examples/lab"

// TestRecipes checks the recipes of YAML by the schemas of GitLab and of Kubernetes,
// whose source and licence each names. A recipe with one word changed is refused.
func TestRecipes(t *testing.T) {
	for _, tt := range []struct {
		file, schema string
		// Each change makes a recipe of the file that is wrong.
		wrong map[string]string
	}{
		{"gitlab-ci.yml", "gitlab-ci.schema.json", map[string]string{
			"parallel: 4": "parallel: many", "script:": "scrpt:", "when: always": "when: allways", "paths: [nights]": "paths: nights",
		}},
		{"job.yaml", "job.schema.json", map[string]string{
			"completions: 4": "completion: 4", "parallelism: 4": "parallelism: four", "secretKeyRef:": "secretRef:", "image: registry.example/entrylab:1": "image: [a, b]",
		}},
	} {
		t.Run(tt.file, func(t *testing.T) {
			schema, err := jsonschema.NewCompiler().Compile(filepath.Join("testdata/lab", tt.schema))
			if err != nil {
				t.Fatal(err)
			}
			text := recipe(t, tt.file)
			if err := schema.Validate(asDocument(t, text)); err != nil {
				t.Error(err)
			}
			for word, other := range tt.wrong {
				if !strings.Contains(text, word) {
					t.Errorf("the recipe has no %q", word)
				}
				if schema.Validate(asDocument(t, strings.ReplaceAll(text, word, other))) == nil {
					t.Errorf("with %q it passes", other)
				}
			}
		})
	}
}

// recipe returns the text of a recipe.
func recipe(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(lab, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// asDocument returns YAML as a schema wants it.
func asDocument(t *testing.T, text string) any {
	t.Helper()
	asJSON, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(string(asJSON)))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestRecipeScripts has shellcheck look at the scripts; a variable without quotes is
// what it finds.
func TestRecipeScripts(t *testing.T) {
	shellcheck := need.Tool(t, "shellcheck")
	check := func(text string) error {
		cmd := exec.CommandContext(t.Context(), shellcheck, "-s", "sh", "-")
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		return nil
	}
	files, err := filepath.Glob(filepath.Join(lab, "*.sh"))
	if err != nil || len(files) < 2 {
		t.Fatalf("the scripts are %q (%v)", files, err)
	}
	for _, file := range files {
		text := recipe(t, filepath.Base(file))
		if err := check(text); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if unquoted := strings.ReplaceAll(text, `"$NIGHT"`, "$NIGHT"); unquoted == text || check(unquoted) == nil {
			t.Errorf("%s: shellcheck passes it without the quotes of $NIGHT", file)
		}
	}
}

// TestRecipeMatrix reads the matrix of the recipes.
func TestRecipeMatrix(t *testing.T) {
	m, err := nightly.ReadMatrix(t.Context(), filepath.Join(lab, "lab.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if cells, err := m.Cells(); err != nil || len(cells) < 2*len(m.Subjects) {
		t.Errorf("%d cells, %v", len(cells), err)
	}
}

// TestRecipeGitLab runs the script lines of GitLab's recipe as its runners do: two
// parts with the variables of each, and the job behind them.
func TestRecipeGitLab(t *testing.T) {
	var recipes map[string]json.RawMessage
	asJSON, err := yaml.YAMLToJSON([]byte(recipe(t, "gitlab-ci.yml")))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(asJSON, &recipes); err != nil {
		t.Fatal(err)
	}
	dir := playground(t)
	run := func(name string, env ...string) string {
		var job struct{ Script []string }
		if err := json.Unmarshal(recipes[name], &job); err != nil || len(job.Script) == 0 {
			t.Fatalf("job %s: %v", name, err)
		}
		cmd := exec.CommandContext(t.Context(), "sh", "-euc", strings.Join(job.Script, "\n"))
		cmd.Dir, cmd.Env = dir, slices.Concat(os.Environ(), env, []string{"NIGHT=2026-01-31T02:17:00Z", "PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH")})
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("job %s: %v\n%s", name, err, out)
		}
		return string(out)
	}
	for _, index := range []string{"1", "2"} {
		if out := run("measure", "CI_NODE_INDEX="+index, "CI_NODE_TOTAL=2"); !strings.Contains(out, "on part-"+index+": Nothing new in 1 cell.") {
			t.Errorf("part %s: %s", index, out)
		}
	}
	if out := run("judge"); !strings.Contains(out, "Nothing new in 2 cells.") {
		t.Errorf("judged: %s", out)
	}
	for _, made := range []string{"junit.xml", "pages/index.html"} {
		if _, err := os.Stat(filepath.Join(dir, made)); err != nil {
			t.Error(err)
		}
	}
}

// playground returns a folder with a small matrix, whose bin has the test's program as
// entrylab.
func playground(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for path, text := range map[string]string{
		"lab.toml":     "subjects = [\"linux-3.19\", \"linux-4.1\"]\nengines = [\"static\"]\n",
		"bin/entrylab": fmt.Sprintf("#!/bin/sh\nPLAY_ENTRYLAB=1 exec %s \"$@\"\n", os.Args[0]),
	} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
