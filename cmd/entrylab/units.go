package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// timeValue is a flag's time, above 0. It is nil until the flag is given.
type timeValue struct{ to **time.Duration }

func (t timeValue) String() string { return "" }
func (t timeValue) Get() any       { return *t.to }

func (t timeValue) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return errors.New("want a time above 0 with its unit, such as 90s, 2m or 1h30m")
	}
	*t.to = &d
	return nil
}

// memoryValue is a flag's memory, in MiB.
type memoryValue struct{ to *int }

// memoryUnits are those that a size may have, the one of a bare number last.
var memoryUnits = []struct {
	name string
	mib  int
}{{"GiB", 1 << 10}, {"G", 1 << 10}, {"MiB", 1}, {"M", 1}, {"", 1}}

func (m memoryValue) String() string { return fmt.Sprintf("%dMiB", *m.to) }
func (m memoryValue) Get() any       { return *m.to }

func (m memoryValue) Set(text string) error {
	for _, u := range memoryUnits {
		if digits, ok := strings.CutSuffix(text, u.name); ok {
			n, err := strconv.Atoi(digits)
			if err != nil || n < 1 || n > math.MaxInt32/u.mib {
				break
			}
			*m.to = n * u.mib
			return nil
		}
	}
	return errors.New("want the RAM with its unit, such as 512MiB or 2GiB; without a unit it is MiB, and a small Go program needs 32")
}
