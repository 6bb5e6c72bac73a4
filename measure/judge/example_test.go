package judge_test

import (
	"fmt"

	"github.com/entrylab/entrylab/measure/judge"
)

// A series of nights that became dearer by one cycle.
func ExampleChangePoints() {
	series := []float64{50.1, 50.0, 49.9, 50.0, 50.1, 49.9, 50.0, 51.1, 51.0, 50.9, 51.0, 51.1, 50.9, 51.0}
	for _, c := range judge.ChangePoints(series, 0.001, 0.005) {
		fmt.Printf("from the value %d on: %.1f instead of %.1f\n", c.Index+1, c.After, c.Before)
	}
	// Output:
	// from the value 8 on: 51.0 instead of 50.0
}
