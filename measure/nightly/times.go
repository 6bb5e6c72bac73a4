package nightly

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/history"
	"github.com/entrylab/entrylab/measure/stats"
)

// Times holds how long cells took, in seconds.
type Times struct {
	cell  map[string]float64   // in the last night that did it, by name
	where map[string][]float64 // all cells, by Where
}

// ReadTimes reads from a history how long each of these cells took the last time.
func ReadTimes(ctx context.Context, store history.Store, cells []Cell) (Times, error) {
	t := Times{map[string]float64{}, map[string][]float64{}}
	byName := map[string]Cell{}
	past := history.Past{Last: 1}
	for _, c := range cells {
		byName[c.Name] = c
		past.Series = append(past.Series, c.Name)
	}
	for entries, err := range store.Histories(ctx, past) {
		if err != nil {
			return t, err
		}
		last := entries[len(entries)-1]
		t.took(byName[last.Series], last.Values[0])
	}
	return t, nil
}

// took notes how long a cell took.
func (t Times) took(c Cell, seconds float64) {
	t.cell[c.Name] = seconds
	t.where[c.Where()] = append(t.where[c.Where()], seconds)
}

// Took returns how long a cell took the last time; ok is false if it was never done.
func (t Times) Took(c Cell) (seconds float64, ok bool) {
	seconds, ok = t.cell[c.Name]
	return seconds, ok
}

// Will estimates how long cells will take here; a cell that was never done counts as those
// with the same Where. unknown is the number of cells without an estimate.
func (t Times) Will(cells []Cell) (left time.Duration, unknown int) {
	seconds := 0.0
	for _, c := range cells {
		s, ok := t.cell[c.Name]
		if others := t.where[c.Where()]; !ok && len(others) > 0 {
			s, ok = stats.Mean(others), true
		}
		if !ok {
			unknown++
		}
		if c.Engine.Kind != engine.Sampled { // in parallel
			s /= float64(runtime.NumCPU())
		}
		seconds += s
	}
	return time.Duration(seconds * float64(time.Second)).Round(time.Second), unknown
}

// Words says how long cells will take.
func (t Times) Words(cells []Cell) string {
	text := findings(len(cells), "cell")
	if len(cells) == 0 {
		return text
	}
	switch left, unknown := t.Will(cells); {
	case unknown == len(cells):
		return text + ", which were never done"
	case unknown > 0:
		return fmt.Sprintf("%s, more than %v", text, left)
	default:
		return fmt.Sprintf("%s, about %v", text, left)
	}
}
