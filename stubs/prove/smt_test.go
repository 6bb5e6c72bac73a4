package prove

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/internal/broken"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/internal/solver"
	"github.com/entrylab/entrylab/stubs"
)

// startSolver starts the solver that `make deps` installs.
func startSolver(t *testing.T) *solver.Solver {
	t.Helper()
	need.Tool(t, "z3")
	s, err := solver.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if _, err := s.Ask([]byte("(set-logic QF_ABV)\n"), 0); err != nil {
		t.Fatal(err)
	}
	return s
}

// disagreements returns the checks of which a solver says otherwise than the proof.
func disagreements(t *testing.T, s *solver.Solver, o *Obligations) []Check {
	t.Helper()
	sat, err := s.Ask(o.Script, len(o.Checks))
	if err != nil {
		t.Errorf("%s: %v", o.Proof.Variant, err)
		return nil
	}
	return o.Disagreements(sat)
}

// agrees fails the test for each check of which the solver says otherwise.
func agrees(t *testing.T, s *solver.Solver, o *Obligations) {
	t.Helper()
	for i, c := range disagreements(t, s, o) {
		if i == 5 {
			t.Error("and more")
			break
		}
		t.Errorf("%s: %v", o.Proof.Variant, c)
	}
}

// TestSolver: the solver agrees with what is proved of a preset. Without -every
// it is asked about three.
func TestSolver(t *testing.T) {
	s := startSolver(t)
	for _, n := range presets() {
		if !*every && !slices.Contains([]string{"bare", "linux-6.18+fred"}, n.Name) {
			continue
		}
		o, err := ProveObligations(n)
		if err != nil {
			t.Fatal(err)
		}
		agrees(t, s, o)
		t.Logf("%s: %v", n.Name, o)
	}
}

// with612 returns 6.12 with changes, each behind a +.
func with612(t *testing.T, changes string) stubs.Variant {
	t.Helper()
	n, err := stubs.ParseVariant("linux-6.12" + changes)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestSolverTree: the solver agrees with what is proved of 6.12 with its C part, with
// values of its axes that no preset has.
func TestSolverTree(t *testing.T) {
	s := startSolver(t)
	o, err := ProveObligations(with612(t, "+kstack=prng+x32=range"))
	if err != nil {
		t.Fatal(err)
	}
	if o.Proof.Outcome() != Proved {
		t.Errorf("%s: it is %v", o.Proof.Variant, o.Proof.Outcome())
	}
	agrees(t, s, o)
	t.Log(o)
}

// TestSolverTreeBroken: of a fault in each axis of 6.12's C part the solver finds an
// input that shows it.
func TestSolverTreeBroken(t *testing.T) {
	current, perCPU := asm.Fields[layout.Thread[asm.Mem]](asm.R13), asm.Fields[layout.PerCPU[asm.Mem]](asm.GS)
	s := startSolver(t)
	for _, c := range []struct {
		name, function string
		was            asm.Ins
		items          []asm.Item
		claim          string
		changes        string
	}{
		{"dispatch=tree with a number too many", "do_syscall_64", asm.CMPL(asm.R14, layout.SysCallMax), []asm.Item{asm.CMPL(asm.R14, layout.SysCallMax+1)}, "the handler is that of the call's number", ""},
		{"dispatch=tree without a look at SyscallWork", "do_syscall_64", asm.TESTL(layout.SyscallWorkEnter, asm.RDX), []asm.Item{asm.TESTL(0, asm.RDX)}, "no work was to be done before the handler", ""},
		{"nospec=mask of nothing", "do_syscall_64", asm.SBBQ(asm.RCX, asm.RCX), []asm.Item{asm.XORL(asm.RCX, asm.RCX)}, "the handler is that of the call's number", ""},
		{"kstack=rdtsc and RSP comes back elsewhere", "do_syscall_64", asm.MOVQ(asm.RSP, asm.RBP), []asm.Item{asm.LEAQ(asm.RSP.At(8), asm.RBP)}, "execution goes on where the proof can follow", ""},
		{"kstack=rdtsc into another word", exitOfArch, asm.RDTSC(), []asm.Item{asm.RDTSC(), asm.MOVL(asm.RAX, current.Flags)}, "only memory of the variant is touched", ""},
		{"exitwork=called without a look at Flags", exitOfCalls, asm.TESTL(layout.TIFAllWork, asm.RBP), []asm.Item{asm.TESTL(0, asm.RBP)}, "no work is pending", ""},
		{"exitwork=called and interrupts stay on", exitOfCalls, asm.CLI(), nil, "interrupts are off here", ""},
		{"nops=patched with STI beside one", exitOfCalls, asm.XORL(asm.RDX, asm.RDX), []asm.Item{asm.XORL(asm.RDX, asm.RDX), asm.STI()}, "interrupts are off here", ""},
		{"kstack=called without the count", "do_syscall_64", asm.INCL(perCPU.PreemptCount), nil, "only memory of the variant is touched", "+kstack=called"},
		{"kstack=called with the count raised by two", "do_syscall_64", asm.INCL(perCPU.PreemptCount), []asm.Item{asm.ADDL(2, perCPU.PreemptCount)}, "PerCPU.PreemptCount is raised by one", "+kstack=called"},
		{"kstack=prng into another word", "do_syscall_64", asm.MOVL(asm.RAX, perCPU.KStackRandom[0]), []asm.Item{asm.MOVL(asm.RAX, perCPU.CallDepth)}, "only memory of the variant is touched", "+kstack=prng"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := with612(t, c.changes)
			n.Name, n.Edit = "broken", broken.Edit(c.function, c.was, c.items...)
			o := refutedOf(t, n)
			agrees(t, s, o)
			found := slices.ContainsFunc(o.Checks, func(q Check) bool { return q.Sat && slices.Contains(q.Claims, c.claim) })
			if !found {
				t.Errorf("of %q no input is found, but of %v", c.claim, o.Checks)
			}
		})
	}
}

const (
	exitOfCalls = "syscall_exit_to_user_mode"
	exitOfArch  = "arch_exit_to_user_mode_prepare"
)

// refutedOf returns the obligations that are refuted and, with -every, all others.
func refutedOf(t *testing.T, n stubs.Variant) *Obligations {
	t.Helper()
	obj, err := link(n)
	if err != nil {
		t.Fatal(err)
	}
	subject, err := newSubject(obj, n)
	if err != nil {
		t.Fatal(err)
	}
	o, err := subject.obligations(subject.proveTraced(), obj, !*every)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestSolverBroken: the solver agrees that an input fails what is refuted of a
// broken variant and, with -every, with all else that is said of it.
func TestSolverBroken(t *testing.T) {
	s := startSolver(t)
	for _, b := range broken.Variants() {
		t.Run(b.Name, func(t *testing.T) {
			o := refutedOf(t, b.Variant)
			agrees(t, s, o)
			refuted := slices.ContainsFunc(o.Checks, func(c Check) bool { return c.Sat })
			if refuted != (o.Proof.Outcome() == Refuted) {
				t.Errorf("a claim that has a model: %v, but it is %v", refuted, o.Proof.Outcome())
			}
		})
	}
}

// TestPlantedRule: where the proof takes one value for another by a wrong rule,
// the solver finds the input that shows it.
func TestPlantedRule(t *testing.T) {
	const rf = 1 << 16
	n, err := stubs.ParseVariant("linux-3.19")
	if err != nil {
		t.Fatal(err)
	}
	n.Name, n.Edit = "flags-masked", broken.Edit("entry_SYSCALL_64", asm.SYSRETQ(), asm.ANDQ(-1-rf, asm.R11), asm.SYSRETQ())
	obj, err := link(n)
	if err != nil {
		t.Fatal(err)
	}
	prove := func(rule func(*machine)) *Obligations {
		s, err := newSubject(obj, n)
		if err != nil {
			t.Fatal(err)
		}
		m := &machine{subject: s, traces: true}
		rule(m)
		s.proveWith(m)
		o, err := s.obligations(m, obj, false)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	s := startSolver(t)
	right := prove(func(*machine) {})
	if right.Proof.Outcome() != Refuted {
		t.Errorf("without the wrong rule it is %v", right.Proof.Outcome())
	}
	agrees(t, s, right)
	wrong := prove(func(m *machine) { // the user's RFLAGS without RF is said to be the user's RFLAGS
		m.ts.and(m.s.flags.value(), ^uint64(rf))
		for key := range m.ts.made {
			m.ts.made[key] = m.s.flags
		}
	})
	found := slices.ContainsFunc(disagreements(t, s, wrong), func(c Check) bool {
		return !c.Sat && slices.Contains(c.Claims, "RFLAGS returns right by SYSRETQ")
	})
	if !found {
		t.Error("the solver does not find it")
	}
}

// TestSolverMutants: of each mutant that is refuted the solver agrees that an input
// fails the first claim that is, and of each that is proved that none fails any.
// Without -mutate it is asked about a sample.
func TestSolverMutants(t *testing.T) {
	type one struct {
		oneMutant
		obj *asm.Object
	}
	var list []one
	// The sample of seed 2 has a mutant (linux-6.12-off's JMP no_work_left with bit 1 of the
	// displacement changed) that the proof with traces follows for minutes.
	rng := rand.New(rand.NewPCG(1, 3))
	for _, n := range presets() {
		obj, err := link(n)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range allMutants(t, n) {
			if *mutateAll || rng.IntN(solverSampleOf) == 0 {
				list = append(list, one{m, obj})
			}
		}
	}
	var count [3]atomic.Int64
	var wg sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		solver := startSolver(t)
		wg.Go(func() {
			for i := w; i < len(list) && !t.Failed(); i += workers {
				mutant := list[i]
				s := mutant.subject()
				m := s.proveWith(&machine{subject: s, traces: true, soon: true})
				outcome := s.report(m, mutant.obj).Outcome()
				count[outcome].Add(1)
				if outcome == Undecided {
					continue
				}
				o, err := s.obligations(m, mutant.obj, outcome == Refuted)
				if err != nil {
					t.Errorf("%v: %s: %v", mutant.where, mutant.what, err)
					return
				}
				for _, c := range disagreements(t, solver, o) {
					t.Errorf("%v: %s: %v", mutant.where, mutant.what, c)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("of %d mutants %d are refuted and %d proved, and the solver agrees; %d are undecided",
		len(list), count[Refuted].Load(), count[Proved].Load(), count[Undecided].Load())
	if count[Refuted].Load() == 0 {
		t.Error("none was refuted")
	}
}

// solverSampleOf is how many mutants one of the sample stands for.
const solverSampleOf = 20_000
