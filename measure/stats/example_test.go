package stats_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/entrylab/entrylab/measure/stats"
)

// The interval is of the mean over units of resampling: boots or placements, not samples.
func ExampleBootstrap() {
	differences := []float64{0.9, 1.1, 1.0, 1.2, 0.8, 1.0, 1.1, 0.9, 1.0, 1.0}
	e, err := stats.Bootstrap(rand.New(rand.NewPCG(1, 1)), differences)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.1f cycles, a difference is seen: %t, 2 cycles are in the interval: %t\n", e.Mean, e.Seen(), e.Holds(2))
	_, err = stats.Bootstrap(rand.New(rand.NewPCG(1, 1)), differences[:3])
	fmt.Println(err)
	// Output:
	// 1.0 cycles, a difference is seen: true, 2 cycles are in the interval: false
	// too few placements for an interval
}
