package replay

import (
	"context"
	"testing"
	"time"

	"github.com/entrylab/entrylab/stubs"
)

func named(t testing.TB, names ...string) []stubs.Named {
	t.Helper()
	var list []stubs.Named
	for _, name := range names {
		n, err := stubs.ParseVariant(name)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, n)
	}
	return list
}

func TestRun(t *testing.T) {
	res, err := Run(context.Background(), Config{Variants: named(t, "linux-3.19", "heukelum-v2", "linux-4.1"), Budget: 5 * time.Second})
	t.Log(err)
	if res == nil {
		return
	}
	t.Log(res.Notes())
	for _, c := range res.Controls {
		t.Logf("%+v", c)
	}
	for _, c := range res.Cells {
		for _, f := range c.Figures {
			t.Logf("%s %s %s %s %.2f %+v", c.Op, c.Form, c.Noisy, f.Variant, f.Mean, f.Difference)
		}
	}
}
