package asm

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// report gathers the errors of a build.
type report struct {
	faults []*fault
	places map[uintptr]place // of made-up program counters
}

// fault is one error of a build.
type fault struct {
	place
	text string
}

// place is a line of Go; the zero value if it is unknown.
type place struct {
	file string // relative to its module
	line int
}

func newReport() *report { return &report{places: map[uintptr]place{}} }

// errorf adds an error about the item that the Go line at pc made.
func (r *report) errorf(pc uintptr, format string, args ...any) {
	r.faults = append(r.faults, &fault{r.place(pc), fmt.Sprintf(format, args...)})
}

// insErrorf adds an error about an instruction of a function.
func (r *report) insErrorf(fn *Func, in *instruction, format string, args ...any) {
	r.errorf(in.pc, "%s: %s: "+format, append([]any{fn.Name, in.text(0)}, args...)...)
}

// err joins the errors in the order of their lines, without repetitions.
func (r *report) err() error {
	slices.SortStableFunc(r.faults, func(a, b *fault) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line))
	})
	var errs []error
	seen := map[fault]bool{}
	for _, f := range r.faults {
		if !seen[*f] {
			seen[*f] = true
			errs = append(errs, f)
		}
	}
	return errors.Join(errs...)
}

// Error returns the place and what is wrong there.
func (f *fault) Error() string {
	if f.line == 0 {
		return f.text
	}
	return f.place.String() + ": " + f.text
}

func (p place) String() string {
	if p.line == 0 {
		return "an unknown place"
	}
	return p.file + ":" + strconv.Itoa(p.line)
}

// place names the Go line of a program counter.
func (r *report) place(pc uintptr) place {
	p, ok := r.places[pc]
	if ok || pc == 0 {
		return p
	}
	if known, ok := goPlaces.Load(pc); ok {
		return known.(place)
	}
	frame, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	p = place{relative(frame.File), frame.Line}
	goPlaces.Store(pc, p)
	return p
}

// goPlaces caches the places of Go program counters, for all reports.
var goPlaces sync.Map

// foreign makes up a program counter for a line that is not Go.
func (r *report) foreign(p place) uintptr {
	pc := ^uintptr(len(r.places))
	r.places[pc] = p
	return pc
}

// root is the directory of this module as the compiler wrote it down.
var root = func() string {
	_, file, _, _ := runtime.Caller(0)
	return strings.TrimSuffix(file, "gen/asm/errors.go")
}()

// relative shortens a file's name to its path in its module, so that no path of the
// machine gets into an image.
func relative(file string) string {
	if rest, ok := strings.CutPrefix(file, root); ok {
		return rest
	}
	if i := strings.LastIndexByte(file, '/'); i >= 0 {
		if j := strings.LastIndexByte(file[:i], '/'); j >= 0 {
			return file[j+1:]
		}
	}
	return file
}

// typeName names the type of an item of a Data.
func typeName(v any) string {
	if v == nil {
		return "nil"
	}
	return strings.TrimPrefix(reflect.TypeOf(v).String(), "asm.")
}
