package main

import (
	"slices"
	"syscall"
	"testing"
)

// TestHarmless: no call that is made at random may reach what the process lives
// by.
func TestHarmless(t *testing.T) {
	r := random(1)
	made := map[uint32]int{}
	for range 2_000_000 {
		c := r.call()
		if !r.harmless(&c) {
			continue
		}
		nr := uint32(c.nr)
		made[nr]++
		for i, a := range c.a {
			kinds := signatures[nr]
			if low := uint32(a); low >= protected && low < protectedEnd && i < len(kinds) && kinds[i] == 'f' {
				t.Fatalf("%#x: argument %d is a descriptor of the report: %#x", c.nr, i, c.a)
			}
		}
		switch end := c.a[0] + c.a[1]; nr {
		case syscall.SYS_MUNMAP, syscall.SYS_MPROTECT, syscall.SYS_MADVISE:
			if c.a[0]%pageSize == 0 && c.a[0] < 1<<47 && (c.a[0] < arena || end > arenaEnd && end >= c.a[0]) {
				t.Fatalf("%#x works on memory outside the arena: %#x", c.nr, c.a)
			}
		case syscall.SYS_KILL, syscall.SYS_TKILL:
			if s := int32(c.a[1]); s > 0 && s <= 64 && !isHandled(uint64(s)) {
				t.Fatalf("%#x sends signal %d", c.nr, s)
			}
		}
	}
	for nr := range uint32(numbers) {
		if made[nr] == 0 != forbidden[nr] {
			t.Errorf("call %d was made %d times", nr, made[nr])
		}
	}
}

// TestScript: the same seed makes the same calls.
func TestScript(t *testing.T) {
	scripts := make([]thread, 3)
	for i, seed := range []random{7, 7, 8} {
		if n := scripts[i].write(&seed, scriptCalls); n < scriptCalls/2 || n > scriptCalls {
			t.Errorf("%d calls", n)
		}
	}
	plain := func(i int) (calls []uint64) {
		for _, c := range scripts[i].script {
			calls = append(calls, c.nr, c.a[0], c.a[1], c.a[3], c.spawn)
		}
		return calls
	}
	if !slices.Equal(plain(0), plain(1)) {
		t.Error("one seed, two scripts")
	}
	if slices.Equal(plain(0), plain(2)) {
		t.Error("two seeds, one script")
	}
}

func TestLeak(t *testing.T) {
	for _, tt := range []struct {
		name string
		free []uint64
		want string
	}{
		{"the same", []uint64{9, 9, 9, 9}, ""},
		{"more at first", []uint64{90, 9, 9, 9}, ""},
		{"one page for once", []uint64{9, 9, 8, 8}, ""},
		{"fewer each time", []uint64{90, 80, 70, 60}, "20 pages are gone"},
	} {
		got := ""
		if err := leak(tt.free); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
