package events

import (
	"flag"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/entrylab/entrylab/boot/vm"
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/stubs"
)

// rain is how many events rain on each variant of TestRain: unless told, some 20 seconds of a
// core in all.
var rain = flag.Int("rain", 400_000, "let so many events arrive while hostile threads make calls")

// TestRain: events arrive at random places while two threads set their bases, step, get
// signals and return by frames that no exit takes, and nothing is lost.
func TestRain(t *testing.T) {
	need.QEMU(t)
	names := []string{"linux-3.19", "linux-3.19+paranoid=rdgsbase"}
	if *every {
		names = append(names, "linux-6.12+pti", "linux-6.12+pti+paranoid=rdgsbase")
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began, limit := time.Now(), 2*time.Minute+time.Duration(*rain)*10*time.Millisecond
			res, rounds, err := Rain(t.Context(), preset(t, name), vm.Config{Engine: vm.TCG, Timeout: limit}, *rain, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range res.Lost {
				t.Error(l)
			}
			if len(res.Swept) == 0 {
				return // the machine ended
			}
			s := res.Swept[0]
			t.Logf("%d events (%v) in %d rounds, %v", res.Total(), s.Events, rounds, time.Since(began).Round(time.Second))
			if res.Total() < *rain || !slices.Equal(s.Due, s.Events) || rounds == 0 {
				t.Errorf("%v events arrived at %v", s.Events, s.Due)
			}
		})
	}
}

// TestRainCatches: what rains on a kernel whose NMIs trust CS does not go unnoticed, nor
// on one whose NMIs trust the sign of a base that ring 3 may set.
func TestRainCatches(t *testing.T) {
	need.QEMU(t)
	for _, row := range []struct {
		name  string
		stub  func(*testing.T) stubs.Variant
		patch func(*testing.T, *text)
	}{
		{"CS", func(t *testing.T) stubs.Variant { return preset(t, "linux-3.19") }, func(t *testing.T, x *text) { x.ordinary(t, "asm_exc_nmi") }},
		{"a sign", edited("linux-3.19+paranoid=rdgsbase", stubs.ParanoidEntry, WRGSBASEQ(RAX), TESTQ(RBX, RBX), IF(NS, WRGSBASEQ(RAX))), func(*testing.T, *text) {}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			res, _, err := Rain(t.Context(), row.stub(t), vm.Config{Engine: vm.TCG}, *rain, func(m *vm.Config) error {
				m.Kernel = patched(t, m.Kernel, row.patch)
				return nil
			})
			if err != nil || len(res.Lost) == 0 {
				t.Fatalf("lost is %v: %v", res, err)
			}
			if !strings.Contains(res.Lost[0], "CRASH") && !strings.Contains(res.Lost[0], "PANIC") {
				t.Errorf("lost is %q", res.Lost)
			}
		})
	}
}
