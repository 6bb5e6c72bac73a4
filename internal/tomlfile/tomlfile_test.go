package tomlfile

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// list is what the tests decode.
type list struct {
	Title string `toml:"title"`
	Items []item `toml:"item"`
	Own   int    `toml:"-"`
}

type item struct {
	Name string `toml:"name"`
	Size int    `toml:"size"`
}

func TestDecode(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"right", "title = 'a'\n[[item]]\nname = 'b'\nsize = 3\n", ""},
		{"a key that is not there", "titel = 'a'\n", `x.toml:1: no key "titel": did you mean title? want title, item`},
		{"below a list", "\n[[item]]\nname = 'b'\nsiez = 1\n", `x.toml:4: no key "item.siez": did you mean size? want name, size`},
		{"a field that is no key", "Own = 1\n", `x.toml:1: no key "Own": want title, item`},
		{"a wrong type", "[[item]]\nsize = 'b'\n", "x.toml:2: "},
		{"no TOML", "title: a\n", "x.toml:1: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got list
			err := Decode("x.toml", []byte(tt.text), &got)
			if tt.want == "" {
				if diff := cmp.Diff(list{"a", []item{{"b", 3}}, 0}, got); err != nil || diff != "" {
					t.Errorf("error %v (-want +got):\n%s", err, diff)
				}
				return
			}
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error is %v, want one line that begins with %q", err, tt.want)
			}
		})
	}
}

// TestKeys: a field that nothing outside can set is no key.
func TestKeys(t *testing.T) {
	got := Keys(struct {
		Title string `toml:"title"`
		where string
	}{where: "x.toml"})
	if diff := cmp.Diff([]string{"title"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestLineOf(t *testing.T) {
	text := []byte("one = \"two\"\ntwo = 'three'\n[[four]]\n")
	for _, tt := range []struct {
		word string
		want int
	}{{"two", 1}, {"three", 2}, {"[[four]]", 3}, {"one", 1}, {"five", 1}} {
		if got := LineOf(text, tt.word); got != tt.want {
			t.Errorf("%s is on line %d, want %d", tt.word, got, tt.want)
		}
	}
}
