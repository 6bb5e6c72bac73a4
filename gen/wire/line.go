package wire

import (
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
)

// Line is one line of the guest: a [Check], [Event], [Info], [Measure], [Proof],
// [Reading], [Sampling], [Series], [Singles], [SamplingEnd], [Summary], [Symbol] or [Vulnerability].
type Line interface {
	// String returns the line without its line break. A line break within a text is
	// printed as "; ", as the rest would otherwise be another line.
	String() string
	isLine()
}

func (Check) isLine()         {}
func (Event) isLine()         {}
func (Info) isLine()          {}
func (Measure) isLine()       {}
func (Proof) isLine()         {}
func (Reading) isLine()       {}
func (Sampling) isLine()      {}
func (Series) isLine()        {}
func (Singles) isLine()       {}
func (SamplingEnd) isLine()   {}
func (Summary) isLine()       {}
func (Symbol) isLine()        {}
func (Vulnerability) isLine() {}

// Kinds of lines: the word in front of the colon. The kinds of checks are their outcomes.
const (
	KindEvent         = "EVENT"
	KindInfo          = "INFO"
	KindMeasure       = "MEASURE"
	KindProof         = "PROOF"
	KindReading       = "READING"
	KindSampling      = "SAMPLING"
	KindSample        = "SAMPLE"
	KindSingles       = "SINGLES"
	KindSummary       = "SUMMARY"
	KindSymbol        = "SYMBOL"
	KindVulnerability = "VULNERABILITY"
)

var kinds = []string{
	string(Pass), string(Fail), string(Skip), string(Error),
	KindEvent, KindInfo, KindMeasure, KindProof, KindReading, KindSampling, KindSample, KindSingles, KindSummary, KindSymbol, KindVulnerability,
}

// kindOf returns the kind of a line, of which the beginning is enough; empty if it is
// not one of the guest's.
func kindOf(text string) string {
	kind, _, ok := strings.Cut(text, ":")
	if !ok || !slices.Contains(kinds, kind) {
		return ""
	}
	return kind
}

// ParseLine reads one line, without its line break. It returns nil and no error
// for a line that is not one of the guest's, and an error that names the line's kind
// for one that begins like the guest's and cannot be read.
func ParseLine(text string) (Line, error) {
	kind := kindOf(text)
	line, err := parseKind(kind, text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	return line, nil
}

// parseKind reads a line as ParseLine does, when its kind, if any, is known.
func parseKind(kind, text string) (Line, error) {
	if kind == "" {
		return nil, nil
	}
	text, ok := strings.CutPrefix(text, kind+": ")
	if !ok {
		return nil, errors.New("there is no space after the colon")
	}
	if strings.Contains(text, "\n") {
		return nil, errors.New("the text has more than one line")
	}
	switch kind {
	case KindEvent:
		return parseEvent(text)
	case KindInfo:
		return Info(text), nil
	case KindMeasure:
		return parseMeasure(text)
	case KindProof:
		return parseProofLine(text)
	case KindReading:
		return parseReading(text)
	case KindSampling:
		return parseSampling(text)
	case KindSample:
		return parseSeries(text)
	case KindSingles:
		return parseSingles(text)
	case KindSummary:
		return parseSummary(text)
	case KindSymbol:
		return parseSymbol(text)
	case KindVulnerability:
		return parseVulnerability(text)
	}
	return parseCheck(Outcome(kind), text)
}

// oneLine returns a text without line breaks.
func oneLine(text string) string { return strings.ReplaceAll(text, "\n", "; ") }

const sumWord = " crc="

// summed returns a line with the sum of its text at the end.
func summed(kind, text string) string {
	return fmt.Sprintf("%s: %s%s%08x", kind, text, sumWord, crc32.ChecksumIEEE([]byte(text)))
}

// withoutSum returns the text in front of its sum, which must be right.
func withoutSum(text string) (string, error) {
	i := strings.LastIndex(text, sumWord)
	if i < 0 {
		return "", errors.New("the line is cut off: it has no crc=")
	}
	text, sum := text[:i], text[i+len(sumWord):]
	if want := fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(text))); sum != want {
		return "", fmt.Errorf("the line is damaged: its sum is %s, want %s", want, sum)
	}
	return text, nil
}
