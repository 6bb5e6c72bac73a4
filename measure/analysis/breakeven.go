package analysis

import (
	"math"
)

// BreakEven is the share of full-frame calls above which the eager path is
// cheaper.
type BreakEven struct {
	// OK is unset if a figure is missing.
	OK bool
	// Loss is what an ordinary call pays, Gain what a full-frame call
	// saves beyond that: at the share Loss/Gain they are even.
	Loss, Gain Difference
	// Share, Low and High are of all calls; beyond 1 means never, below 0
	// always.
	Share, Low, High float64
}

// BreakEven computes the break-even rate of two variants on an engine.
func (s *Set) BreakEven(engine, lazy, eager string) BreakEven {
	c := s.Headline(engine, fullFrame)
	loss := s.Difference(c, lazy, eager, nullCall)
	full := s.Difference(c, lazy, eager, fullFrame)
	b := BreakEven{OK: loss.Kind != None && full.Kind != None, Loss: loss}
	b.Gain = Difference{
		Kind: full.Kind, Unit: full.Unit, Value: loss.Value - full.Value, Low: loss.Low - full.High, High: loss.High - full.Low,
	}
	if loss.Kind != Exact {
		b.Gain.Kind = loss.Kind
	}
	b.Share = share(loss.Value, b.Gain.Value)
	b.Low, b.High = share(loss.Low, b.Gain.High), share(loss.High, b.Gain.Low)
	return b
}

// share returns loss/gain; without a gain it is never or always.
func share(loss, gain float64) float64 {
	switch {
	case loss <= 0 && gain >= 0:
		return math.Inf(-1)
	case gain <= 0:
		return math.Inf(1)
	}
	return loss / gain
}
