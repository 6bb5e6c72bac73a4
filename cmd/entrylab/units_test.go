package main

import (
	"strings"
	"testing"
	"time"
)

func TestTime(t *testing.T) {
	for text, want := range map[string]time.Duration{"90s": 90 * time.Second, "1h30m": 90 * time.Minute, "5": 0, "0s": 0, "-2m": 0, "soon": 0, "": 0} {
		var got *time.Duration
		err := timeValue{&got}.Set(text)
		switch {
		case want == 0 && (err == nil || got != nil || !strings.Contains(err.Error(), "want a time above 0 with its unit, such as 90s")):
			t.Errorf("%q: %v, error %v", text, got, err)
		case want != 0 && (err != nil || *got != want):
			t.Errorf("%q: %v, error %v; want %v", text, got, err, want)
		}
	}
}

func TestMemory(t *testing.T) {
	for text, want := range map[string]int{
		"128": 128, "512MiB": 512, "512M": 512, "2GiB": 2048, "2G": 2048,
		"0": 0, "-1": 0, "much": 0, "1.5GiB": 0, "512KiB": 0, "2 GiB": 0, "MiB": 0, "": 0,
		"9999999999999999999": 0, "2147483647GiB": 0,
	} {
		var got int
		err := memoryValue{&got}.Set(text)
		switch {
		case want == 0 && (err == nil || got != 0 || !strings.Contains(err.Error(), "want the RAM with its unit, such as 512MiB or 2GiB")):
			t.Errorf("%q: %d, error %v", text, got, err)
		case want != 0 && (err != nil || got != want):
			t.Errorf("%q: %d, error %v; want %d", text, got, err, want)
		}
	}
}
