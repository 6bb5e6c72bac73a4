package measure

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/gen/wire"
)

// broken is a list that cannot be read further.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("read on") }

// TestSymbolsOf: an address is in the last function that begins up to it, in a module too,
// and a function is told with the last of its addresses; behind the kernel's last symbol
// that matters, nothing is read.
func TestSymbolsOf(t *testing.T) {
	const own = `0000000000000000 A fixed_percpu_data
0000000000001000 A cpu_debug_store
ffffffff81000000 T _text
ffffffff81000000 t startup
ffffffff81000040 W weak
ffffffff81000050 D no_function
nonsense
ffffffff81000080 T next
`
	const modules = "ffffffffa0002000 t second\t[a]\nffffffffa0001000 t first\t[a]\nffffffffa0003000 t third\t[b]\n"
	weak := wire.Symbol{Addr: 0xffffffff81000060, Name: "weak", Start: 0xffffffff81000040}
	for _, row := range []struct {
		name  string
		in    io.Reader
		asked []uint64
		want  []wire.Symbol
		err   bool
	}{
		{"the kernel's own, and no line behind them", io.MultiReader(strings.NewReader(own), broken{}), []uint64{0xffffffff81000060, 0xffffffff81000000}, []wire.Symbol{
			{Addr: 0xffffffff81000000, Name: "_text", Start: 0xffffffff81000000}, weak,
		}, false},
		{"two in one", strings.NewReader(own), []uint64{0xffffffff81000061, 0xffffffff81000060}, []wire.Symbol{
			{Addr: 0xffffffff81000061, Name: "weak", Start: weak.Start},
		}, false},
		{"a module's, in no order", strings.NewReader(own + modules), []uint64{0xffffffffa0001008, 0xffffffff81000060}, []wire.Symbol{
			weak, {Addr: 0xffffffffa0001008, Name: "first", Start: 0xffffffffa0001000},
		}, false},
		{"in no function", strings.NewReader(own), []uint64{0x1008}, nil, false},
		{"a kernel that hides addresses", strings.NewReader("0000000000000000 T _text\n"), []uint64{weak.Addr}, nil, false},
		{"a list that ends with an error", io.MultiReader(strings.NewReader(own), broken{}), []uint64{0xffffffffa0001008}, nil, true},
	} {
		got, err := symbolsOf(row.in, row.asked)
		if (err != nil) != row.err || !row.err && !slices.Equal(got, row.want) {
			t.Errorf("%s: %v and %v, want %v, an error: %v", row.name, got, err, row.want, row.err)
		}
	}
}
