package history

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

// place is where an entry is in a folder's file, with the values that order entries. As
// there may be millions, each byte counts.
type place struct {
	offset int64
	time   int64 // in nanoseconds since 1970
	key    [16]byte
	length int32
	night  int32 // of index.nights
	kind   uint8 // of kinds
}

// index has the places of all entries of a file.
type index struct {
	series  map[string]*places
	nights  []string
	numbers map[string]int32 // of nights
	before  int32            // is the number that was asked for last
}

// places are the places of a series.
type places struct {
	all    []place
	sorted bool
	last   string // night
}

func newIndex() index {
	return index{series: map[string]*places{}, numbers: map[string]int32{}}
}

// found is an entry of a file before it is in the index.
type found struct {
	place
	series, night string
}

// has reports whether an entry with that key is in the index.
func (x *index) has(f found) bool { return x.series[f.series].has(f) }

// has reports whether an entry with that key is there. Of one series it is, and of one
// night unless it is code: most entries are of a new one.
func (p *places) has(f found) bool {
	if p == nil || f.night > p.last && kinds[f.kind] != Code {
		return false
	}
	return slices.ContainsFunc(p.all, func(o place) bool { return o.key == f.key })
}

// add adds an entry. Of two with one key the first counts.
func (x *index) add(f found) {
	p := x.series[f.series]
	if p.has(f) {
		return
	}
	if p == nil {
		p = &places{}
		x.series[f.series] = p
	}
	f.place.night = x.number(f.night)
	p.all, p.sorted, p.last = append(p.all, f.place), false, max(p.last, f.night)
}

// number returns the number of a night, which in most cases is the previous one.
func (x *index) number(night string) int32 {
	if x.nights != nil && x.nights[x.before] == night {
		return x.before
	}
	number, known := x.numbers[night]
	if !known {
		number = int32(len(x.nights))
		x.nights, x.numbers[night] = append(x.nights, night), number
	}
	x.before = number
	return number
}

// of returns the places of a series by night and time.
func (x *index) of(series string) []place {
	p := x.series[series]
	if p == nil {
		return nil
	}
	if !p.sorted {
		if !slices.IsSortedFunc(p.all, x.compare) {
			p.all = slices.SortedFunc(slices.Values(p.all), x.compare) // readers may have the old ones
		}
		p.sorted = true
	}
	return p.all
}

// compare orders places as Entry.compare orders entries.
func (x *index) compare(a, b place) int {
	night := 0
	if a.night != b.night {
		night = strings.Compare(x.nights[a.night], x.nights[b.night])
	}
	return cmp.Or(night, cmp.Compare(a.time, b.time), bytes.Compare(a.key[:], b.key[:]))
}

// match returns the places that a query asks for, by night and time.
func (x *index) match(q Query) []place {
	night, known := x.numbers[q.Night]
	if q.Night != "" && !known {
		return nil
	}
	kind := slices.Index(kinds, q.Kind)
	var all []place
	match := func(some []place) {
		for _, p := range some {
			if (q.Night == "" || p.night == night) && (q.Kind == "" || int(p.kind) == kind) {
				all = append(all, p)
			}
		}
	}
	if q.Series != "" {
		match(x.of(q.Series))
		return all
	}
	for _, s := range x.series {
		match(s.all)
	}
	slices.SortFunc(all, x.compare)
	return all
}

// names returns the series that have an entry of the night, in order.
func (x *index) names(night string) []string {
	number, known := x.numbers[night]
	if !known {
		return nil
	}
	var names []string
	for name, s := range x.series {
		if slices.ContainsFunc(s.all, func(p place) bool { return p.night == number }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// past returns the places of a series that Past asks for with this Last.
func (x *index) past(name string, last int) []place {
	all := x.of(name)
	if last == 0 || len(all) <= last {
		return all
	}
	accepted := map[int32]bool{}
	for _, p := range all {
		if kinds[p.kind] == Accept {
			accepted[p.night] = true
		}
	}
	var some []place
	for i, p := range all {
		if i == 0 || i >= len(all)-last || accepted[p.night] {
			some = append(some, p)
		}
	}
	return some
}
