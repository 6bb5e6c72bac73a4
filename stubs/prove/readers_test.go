package prove

import (
	"slices"
	"testing"

	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// TestReaders: in the whole kernel nothing outside the variants touches a scratch word but
// the readers that the audit knows, which look first whether the variant has them do so;
// and nothing writes one but start_thread.
func TestReaders(t *testing.T) {
	image, err := image.Build(image.Config{Variants: presets()})
	if err != nil {
		t.Fatal(err)
	}
	list, err := Readers(image.Object)
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]bool{}
	for _, r := range list {
		t.Log(r)
		words[r.Word] = true
		known := slices.ContainsFunc(layout.RSPReaders[:], func(of layout.RSPReader) bool { return of.Func == r.Func })
		if !known || r.Write != (r.Func == layout.RSPReaders[layout.ReaderStartThread].Func) {
			t.Errorf("%v: what is there may be another thread's", r)
		}
	}
	for _, w := range scratchWords {
		if !words[w.String()] {
			t.Errorf("no reader knows %s, where a variant may keep the user's RSP", w)
		}
	}
}

// TestReadersFinds shows that the audit can fail.
func TestReadersFinds(t *testing.T) {
	gs := asm.Fields[layout.PerCPU[asm.Mem]](asm.GS)
	for _, tt := range []struct {
		name string
		in   asm.Ins
		want []string
		err  bool
	}{
		{name: "read", in: asm.MOVQ(gs.RSPScratch, asm.RAX), want: []string{"f+0x0 MOVQ PerCPU.RSPScratch(GS), RAX reads PerCPU.RSPScratch"}},
		{name: "half of it", in: asm.MOVL(gs.TSS.SP2.Add(4), asm.RAX), want: []string{"f+0x0 MOVL GS:156, RAX reads PerCPU.TSS.SP2"}},
		{name: "compare", in: asm.CMPQ(gs.RSPScratch, 0), want: []string{"f+0x0 CMPQ PerCPU.RSPScratch(GS), $0 reads PerCPU.RSPScratch"}},
		{name: "write", in: asm.MOVQ(asm.RAX, gs.RSPScratch), want: []string{"f+0x0 MOVQ RAX, PerCPU.RSPScratch(GS) writes PerCPU.RSPScratch"}},
		{name: "another word", in: asm.MOVQ(gs.Current, asm.RAX)},
		{name: "not by GS", in: asm.MOVQ(asm.RBX.At(0), asm.RAX)},
		{name: "an instruction that is not known", in: asm.LIDT(gs.RSPScratch), err: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			obj, err := asm.Link(asm.Program{Funcs: []asm.Func{asm.FUNC("f", "", tt.in, asm.RET())}}, layout.KernelBase, layout.KernelBase)
			if err != nil {
				t.Fatal(err)
			}
			list, err := Readers(obj)
			if (err != nil) != tt.err || len(list) != len(tt.want) {
				t.Fatalf("got %v, %v, want %q", list, err, tt.want)
			}
			for i, r := range list {
				r.File = ""
				if r.String() != tt.want[i] {
					t.Errorf("got %q, want %q", r, tt.want[i])
				}
			}
		})
	}
}

// TestByGS: the prefix of GS counts where prefixes stand, and not in an address.
func TestByGS(t *testing.T) {
	for _, tt := range []struct {
		code []byte
		want bool
	}{
		{[]byte{0x65, 0x48, 0x89, 0x24, 0x25, 0, 0, 0, 0}, true}, // MOVQ RSP, GS:0
		{[]byte{0xf0, 0x66, 0x65, 0xff, 0x00}, true},
		{[]byte{0xa3, 0x40, 0x65, 0x13, 0x00}, false}, // MOVL EAX, 0x136540
		{[]byte{0x48, 0x65}, false},                   // behind a REX prefix
	} {
		if got := byGS(tt.code); got != tt.want {
			t.Errorf("% x: %v", tt.code, got)
		}
	}
}
