package events

import (
	"strings"
	"sync"

	"github.com/entrylab/entrylab/stubs"
)

// Shared are the places in the kernel's own code that the variants of one run have in
// common. Each is swept once, with the variant of those alike that comes there first: the
// images of the others have the same code there, in the same state.
type Shared struct {
	mu    sync.Mutex
	taken map[sharedPlace]bool
}

// sharedPlace is a place that does not depend on where an image has its functions.
type sharedPlace struct {
	alike    string // the variants that have it in common
	function string
	state    // with an offset for rip
}

// take reports whether nobody has taken the place yet. If there is nobody to share
// with, it is free.
func (s *Shared) take(p sharedPlace) bool {
	if s == nil {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken[p] {
		return false
	}
	if s.taken == nil {
		s.taken = map[sharedPlace]bool{}
	}
	s.taken[p] = true
	return true
}

// kernelsChoice are the values by which the kernel's own entries and exits differ.
var kernelsChoice = []stubs.Value{
	stubs.CR3Switch, stubs.CR3PCID, stubs.IBRSEntry, stubs.TrapsSYSRET, stubs.NewThreadFast, stubs.IntGSCS, stubs.ParanoidRDGSBASE,
	stubs.ReturnsRetbleed, stubs.ReturnsSRSO, stubs.ReturnsSRSOAlias, stubs.ReturnsITS,
}

// alike names the variants for which the kernel's own code does the same.
func alike(v stubs.Axes) string {
	var list []string
	for _, value := range kernelsChoice {
		if v.Is(value) {
			list = append(list, string(value))
		}
	}
	return strings.Join(list, ",")
}

// mine reports whether a place is to be swept with this variant: it is in the variant's own
// code, or in the kernel's and not swept with another.
func (s *sweep) mine(at state) bool {
	name, off := s.functionAt(at.rip)
	if _, _, ok := stubs.CutFuncName(name); ok {
		return true
	}
	at.rip = off
	return s.shared.take(sharedPlace{s.alike, name, at})
}
