// Package report prints the guest's results, one line each, in the format of
// kvm-unit-tests, and counts them. The host reads these lines, and only these,
// so every line says the whole result by itself.
//
//	PASS: prefix: message
//	FAIL: prefix: message (what is wrong)
//	SKIP: prefix: message (why)
//	ERROR: prefix: message (what keeps the harness from a verdict)
//	INFO: prefix: text
//	MEASURE: variant=V op=O unit=ticks n=N batches=K min=X median=Y max=Z agree=A
//	PROOF: variant: what the proof says of it crc=XXXXXXXX
//	SAMPLING: boot=B seed=S samples=N counters=true|false code=K vendor=V signature=X hypervisor=H cpu=C crc=XXXXXXXX
//	SAMPLE: label=V op=O counter=C n=N samples=K lost=L q=A,B,... crc=XXXXXXXX
//	SAMPLING: end=B lines=N crc=XXXXXXXX
//	SUMMARY: 12 tests, 1 unexpected failures, 2 skipped
//
// A message holds no " (", so a result's name is what stands before it. The
// lines of samples and proofs may have come over a wire: crc is CRC-32 (IEEE 802.3) of what
// stands between the colon's space and the space before it, in hexadecimal.
package report

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
)

// Exit statuses of init.
const (
	ExitPass  = 0
	ExitFail  = 1 // at least one FAIL
	ExitError = 2 // at least one ERROR: the harness could not do its job
)

// Report writes results and counts them.
type Report struct {
	w                            io.Writer
	tests, fails, skips, harness int
	measured                     bool
}

// New returns a report that writes each line to w with one Write.
func New(w io.Writer) *Report { return &Report{w: w} }

// Skip is the reason why a check does not apply here.
type Skip string

func (s Skip) Error() string { return string(s) }

// Harness is a fault of the harness, or of its surroundings, that leaves a
// check without a verdict.
type Harness string

func (h Harness) Error() string { return string(h) }

// Result prints one check's outcome: err is nil for PASS, a [Skip] for SKIP, a
// [Harness] for ERROR, and any other error is what is wrong.
func (r *Report) Result(name string, err error) {
	r.tests++
	var skip Skip
	var harness Harness
	switch {
	case err == nil:
		r.line("PASS: %s", name)
	case errors.As(err, &skip):
		r.skips++
		r.line("SKIP: %s (%v)", name, err)
	case errors.As(err, &harness):
		r.harness++
		r.line("ERROR: %s (%v)", name, err)
	default:
		r.fails++
		r.line("FAIL: %s (%v)", name, err)
	}
}

// Info prints a line that is no result.
func (r *Report) Info(format string, args ...any) { r.line("INFO: "+format, args...) }

// Measure prints a measurement; format gives its key=value words.
func (r *Report) Measure(format string, args ...any) {
	r.measured = true
	r.line("MEASURE: "+format, args...)
}

// Sampling prints the beginning or the end of a boot's samples, Sample a series
// of them; format gives the key=value words.
func (r *Report) Sampling(format string, args ...any) { r.checked("SAMPLING", format, args...) }

// Sample: see Sampling.
func (r *Report) Sample(format string, args ...any) { r.checked("SAMPLE", format, args...) }

// Proof prints what the proof says of a variant that is run whatever it says.
// What follows is to be read with it.
func (r *Report) Proof(text string) { r.summed("PROOF", text) }

func (r *Report) checked(kind, format string, args ...any) {
	r.measured = true
	r.summed(kind, fmt.Sprintf(format, args...))
}

func (r *Report) summed(kind, text string) {
	r.line("%s: %s crc=%08x", kind, text, crc32.ChecksumIEEE([]byte(text)))
}

// Summary prints the last line and returns init's exit status. An ERROR counts
// as a failure in the line; no result at all is one of the harness, too.
func (r *Report) Summary() int {
	r.line("SUMMARY: %d tests, %d unexpected failures, %d skipped", r.tests, r.fails+r.harness, r.skips)
	switch {
	case r.harness > 0 || r.tests == 0 && !r.measured:
		return ExitError
	case r.fails > 0:
		return ExitFail
	}
	return ExitPass
}

// line writes one line. A line break inside would look like a line of its own.
func (r *Report) line(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	io.WriteString(r.w, strings.ReplaceAll(s, "\n", "; ")+"\n")
}
