package judge

import (
	"flag"
	"math"
	"math/rand/v2"
	"testing"
)

var seriesNights = flag.Int("nights", 20_000, "how many quiet series-nights TestRates simulates for each kind")

// simulated is a series of nights with 8 boots each whose paired differences have the
// standard deviation sd, in cycles.
type simulated struct {
	sd float64
	// bimodal: code lies in one of two ways, and the difference with it.
	bimodal bool
	// drift is how far the level moves in a night, as a random walk.
	drift float64
	// spikes is the share of boots that meet a neighbour.
	spikes float64
	// odd is the share of nights which are off as a whole by 2 cycles.
	odd float64
}

func (s simulated) night(rng *rand.Rand, level float64) Night {
	boots := make([]float64, 8)
	if rng.Float64() < s.odd {
		level += 2
	}
	for i := range boots {
		v := rng.NormFloat64()
		if s.bimodal { // two modes make 0.9 of the variance
			v = math.Sqrt(0.1)*v + math.Sqrt(0.9)*float64(1-2*rng.IntN(2))
		}
		boots[i] = level + s.sd*v
		if rng.Float64() < s.spikes {
			boots[i] += 20 * rng.ExpFloat64()
		}
	}
	return NewNight(boots)
}

var simulations = []struct {
	name string
	simulated
	// alarms is the greatest rate of false alarms a series-night, seen the least share
	// of steps of 1 cycle that are seen within 3 nights.
	alarms, seen float64
}{
	{"SD 0.5", simulated{sd: 0.5}, 0.001, 0.99},
	{"SD 0.5, two modes", simulated{sd: 0.5, bimodal: true}, 0.001, 0.99},
	{"SD 0.5, drift", simulated{sd: 0.5, drift: 0.02}, 0.001, 0.99},
	{"SD 0.5, spikes", simulated{sd: 0.5, spikes: 0.05}, 0.001, 0.99},
	{"SD 0.5, odd nights", simulated{sd: 0.5, odd: 0.02}, 0.001, 0.99},
	{"SD 0.5, all of it", simulated{0.5, true, 0.02, 0.05, 0.02}, 0.001, 0.97},
	{"SD 1", simulated{sd: 1}, 0.001, 0.4},
	{"SD 2", simulated{sd: 2}, 0.001, 0},
}

// TestRates states how often a quiet series is said to have a step, and how often a
// step of one cycle is seen within 3 nights. `go test -v` prints the rates.
func TestRates(t *testing.T) {
	for _, tt := range simulations {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(1, 2))
			const length = 60
			var quiet, alarms, steps, seen int
			for quiet < *seriesNights {
				nights := make([]Night, 0, length)
				level := 0.0
				for range length {
					level += tt.drift * rng.NormFloat64()
					nights = append(nights, tt.night(rng, level))
					if len(nights) < fewestBefore+fewestAfter {
						continue
					}
					quiet++
					if _, found := FindStep(nights, leastCycles); found {
						alarms++
						nights = nights[:0] // a known step begins the series anew
					}
				}
				steps++
				nights = nights[:0]
				for range 20 {
					nights = append(nights, tt.night(rng, level))
				}
				for range 3 {
					nights = append(nights, tt.night(rng, level+1))
					if s, found := FindStep(nights, leastCycles); found && s.After > s.Before {
						seen++
						break
					}
				}
			}
			rate, share := float64(alarms)/float64(quiet), float64(seen)/float64(steps)
			t.Logf("%s: %d false alarms in %d series-nights (%.2g); %.1f %% of %d steps of 1 cycle seen within 3 nights", tt.name, alarms, quiet, rate, 100*share, steps)
			// Chance alone may add three standard deviations.
			if more := 3 * math.Sqrt(tt.alarms/float64(quiet)); rate > tt.alarms+more {
				t.Errorf("%.2g false alarms a series-night, want at most %g", rate, tt.alarms)
			}
			if less := 3 * math.Sqrt(tt.seen*(1-tt.seen)/float64(steps)); share < tt.seen-less {
				t.Errorf("%.3f of the steps seen, want at least %g", share, tt.seen)
			}
		})
	}
}
