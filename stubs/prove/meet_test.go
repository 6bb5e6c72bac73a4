package prove

import (
	"reflect"
	"testing"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/internal/broken"
	"github.com/entrylab/entrylab/stubs"
)

// TestMeets: a proof in which paths meet makes the claims of one in which none do, from
// fewer instructions, and begins again where one fails that may be of no path.
func TestMeets(t *testing.T) {
	behind := func(items ...asm.Item) func(*asm.Program) error {
		jump := asm.JMP("restore_c_regs_and_iret")
		return broken.Edit(stubs.Entry, jump, append(items, jump)...)
	}
	for _, tt := range []struct {
		name    string
		variant string
		edit    func(*asm.Program) error
		lost    bool
		outcome Outcome
	}{
		{"tests in assembly", "linux-4.6", none, false, Proved},
		{"tests in C", "linux-6.12", none, false, Proved},
		{"two page tables", "linux-6.12+pti", none, false, Proved},
		{"what a test has shown is needed", "linux-4.6", behind(asm.JNE("failed"), asm.UD2(), asm.LABEL("failed")), true, Proved},
		{"a fault behind the tests", "linux-4.6", behind(asm.MOVQ(0, asm.RBX)), true, Refuted},
		{"a fault elsewhere", "linux-4.6", first("stub_clone", asm.MOVQ(0, asm.RBX)), false, Refuted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, err := stubs.ParseVariant(tt.variant)
			if err != nil {
				t.Fatal(err)
			}
			n.Edit = tt.edit
			obj, err := link(n)
			if err != nil {
				t.Fatal(err)
			}
			s, err := newSubject(obj, n)
			if err != nil {
				t.Fatal(err)
			}
			wide := s.proveWith(&machine{subject: s, meeting: map[uint64]*meeting{}})
			exact := s.proveWith(&machine{subject: s})
			if wide.lost != tt.lost {
				t.Errorf("beginning again is %v, want %v", wide.lost, tt.lost)
			}
			if wide.steps >= exact.steps {
				t.Errorf("%d instructions, and %d where paths do not meet", wide.steps, exact.steps)
			}
			got, want := s.report(s.prove(false), obj), s.report(exact, obj)
			if got.Outcome() != tt.outcome || want.Outcome() != tt.outcome {
				t.Errorf("it is %v, and %v where paths do not meet; want %v", got.Outcome(), want.Outcome(), tt.outcome)
			}
			if len(got.Claims) != len(want.Claims) {
				t.Fatalf("%d claims, and %d where paths do not meet", len(got.Claims), len(want.Claims))
			}
			outcomes := func(p *Proof) map[string]Outcome {
				m := map[string]Outcome{}
				for _, c := range p.Claims {
					m[c.Where.String()+": "+c.What] = c.Outcome
				}
				return m
			}
			if g, w := outcomes(got), outcomes(want); !reflect.DeepEqual(g, w) {
				t.Errorf("the claims differ:\n%v\n%v", g, w)
			}
		})
	}
}
