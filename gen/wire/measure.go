package wire

import "fmt"

// Measure is one operation measured under one variant. The values are ticks of
// the time-stamp counter for one operation, after subtracting the loop around it.
type Measure struct {
	Variant string  `json:"variant"`
	Op      string  `json:"op"`
	N       int     `json:"n"`       // operations in a sample
	Batches int     `json:"batches"` // samples measured
	Min     float64 `json:"min"`
	Median  float64 `json:"median"`
	Max     float64 `json:"max"`
	// Agree is the share of the samples that gave exactly the median. The line
	// gives two digits of it.
	Agree float64 `json:"agree"`
}

// Exact reports whether the median is an exact count: an integer that most
// samples agree on.
func (m Measure) Exact() bool { return m.Median == float64(int64(m.Median)) && m.Agree > 0.5 }

func (m *Measure) words() []word {
	return []word{
		{"variant", &m.Variant},
		{"op", &m.Op},
		{"unit", constant("ticks")},
		{"n", &m.N},
		{"batches", &m.Batches},
		{"min", &m.Min},
		{"median", &m.Median},
		{"max", &m.Max},
		{"agree", (*hundredths)(&m.Agree)},
	}
}

func (m Measure) String() string { return KindMeasure + ": " + printWords(m.words()) }

func parseMeasure(text string) (Line, error) {
	var m Measure
	if err := parseWords(text, m.words()); err != nil {
		return nil, err
	}
	switch {
	case m.N < 1 || m.Batches < 1:
		return nil, fmt.Errorf("n=%d batches=%d: want at least 1", m.N, m.Batches)
	case !(0 <= m.Min && m.Min <= m.Median && m.Median <= m.Max):
		return nil, fmt.Errorf("min=%g median=%g max=%g: want them in this order", m.Min, m.Median, m.Max)
	case !(0 <= m.Agree && m.Agree <= 1):
		return nil, fmt.Errorf("agree=%g: want 0 to 1", m.Agree)
	}
	return m, nil
}
