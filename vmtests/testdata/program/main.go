// Command program is a Go program that uses everything that Go's runtime needs of a
// kernel. It prints a line for each part that worked and exits with the number of parts
// that did not; arguments name the parts to leave out. It runs on Linux too.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var parts = []struct {
	name string
	run  func() error
}{
	{"goroutines", goroutines},
	{"timers", timers},
	{"mutex", mutex},
	{"churn", churn},
	{"nil dereference", nilDereference},
	{"deep panic", deepPanic},
	{"preemption", preemption},
	{"ping-pong", pingPong},
	{"threads", threads},
	{"signals", signals},
	{"libraries", libraries},
	{"files", files},
}

func main() {
	failed := 0
	for _, p := range parts {
		if slices.Contains(os.Args[1:], p.name) {
			continue
		}
		start := time.Now()
		if err := p.run(); err != nil {
			failed++
			fmt.Printf("FAILED %s: %v\n", p.name, err)
			continue
		}
		fmt.Printf("ok %s %v\n", p.name, time.Since(start).Round(time.Millisecond))
	}
	fmt.Printf("done, %d failed\n", failed)
	os.Exit(failed)
}

// goroutines sends numbers through a long chain of channels.
func goroutines() error {
	const links, numbers = 500, 20
	first := make(chan int)
	last := first
	for range links {
		next := make(chan int)
		go func(from, to chan int) {
			for n := range from {
				to <- n + 1
			}
			close(to)
		}(last, next)
		last = next
	}
	go func() {
		for i := range numbers {
			first <- i
		}
		close(first)
	}()
	want := 0
	for n := range last {
		if n != want+links {
			return fmt.Errorf("got %d, want %d", n, want+links)
		}
		want++
	}
	if want != numbers {
		return fmt.Errorf("%d numbers came out, want %d", want, numbers)
	}
	return nil
}

// timers checks that sleeps last, that no timer comes early and that deadlines
// end a wait.
func timers() error {
	start := time.Now()
	time.Sleep(20 * time.Millisecond)
	if d := time.Since(start); d < 20*time.Millisecond {
		return fmt.Errorf("slept %v, want 20ms", d)
	}
	var early atomic.Int64
	// Their order is not certain: a busy host may let all come due at once.
	var wg sync.WaitGroup
	for _, ms := range []time.Duration{15, 5, 10} {
		wg.Add(1)
		begin := time.Now()
		time.AfterFunc(ms*time.Millisecond, func() {
			if d := time.Since(begin); d < ms*time.Millisecond {
				early.Store(int64(d))
			}
			wg.Done()
		})
	}
	wg.Wait()
	if d := early.Load(); d != 0 {
		return fmt.Errorf("a timer came after %v", time.Duration(d))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
	defer cancel()
	<-ctx.Done()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for range 5 {
		<-ticker.C
	}
	return nil
}

// mutex has many goroutines count under one lock.
func mutex() error {
	const workers, rounds = 16, 2000
	var mu sync.Mutex
	var wg sync.WaitGroup
	n := 0
	for range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range rounds {
				mu.Lock()
				n++
				mu.Unlock()
				if i%100 == 0 {
					runtime.Gosched()
				}
			}
		}()
	}
	wg.Wait()
	if n != workers*rounds {
		return fmt.Errorf("counted %d, want %d", n, workers*rounds)
	}
	return nil
}

type tree struct {
	left, right *tree
	value       int
}

func grow(depth, value int) *tree {
	if depth == 0 {
		return &tree{value: value}
	}
	return &tree{grow(depth-1, 2*value), grow(depth-1, 2*value+1), value}
}

func (t *tree) sum() int {
	if t == nil {
		return 0
	}
	return t.value + t.left.sum() + t.right.sum()
}

// churn makes some 300 MB of garbage while a tree that lives is looked after.
func churn() error {
	const depth = 12
	living := grow(depth, 1)
	want := living.sum()
	var stats runtime.MemStats
	for round := range 40 {
		if got := grow(depth, 1).sum(); got != want {
			return fmt.Errorf("round %d: a new tree sums to %d, want %d", round, got, want)
		}
		block := make([]byte, 7<<20)
		for i := 0; i < len(block); i += 4096 {
			if block[i] != 0 {
				return fmt.Errorf("round %d: new memory holds %#x", round, block[i])
			}
			block[i] = byte(round) | 1
		}
		runtime.KeepAlive(block)
	}
	debug.FreeOSMemory()
	runtime.ReadMemStats(&stats)
	if stats.TotalAlloc < 250<<20 {
		return fmt.Errorf("churned only %d bytes", stats.TotalAlloc)
	}
	if got := living.sum(); got != want {
		return fmt.Errorf("the living tree sums to %d, want %d", got, want)
	}
	return nil
}

func nilDereference() (err error) {
	for range 20 {
		func() {
			defer func() {
				var re runtime.Error
				if e, ok := recover().(error); !ok || !errors.As(e, &re) {
					err = fmt.Errorf("recovered %v", e)
				}
			}()
			var p *tree
			p.value++
			err = errors.New("the store to nil went through")
		}()
	}
	return err
}

func deepPanic() (err error) {
	var dive func(int) int
	dive = func(n int) int {
		if n == 0 {
			panic("bottom")
		}
		return dive(n-1) + 1
	}
	defer func() {
		if r := recover(); r != "bottom" {
			err = fmt.Errorf("recovered %v", r)
		}
	}()
	dive(50000)
	return errors.New("no panic")
}

// preemption needs a signal to stop a loop that never calls anything.
func preemption() error {
	var stop atomic.Bool
	var spins [2]int
	for i := range spins {
		go func() {
			for n := 0; !stop.Load(); n++ {
				spins[i] = n
			}
		}()
	}
	tight := make(chan int)
	go func() {
		x := 1
		for i := range 20_000_000 {
			x ^= x<<1 + i
		}
		tight <- x
	}()
	time.Sleep(5 * time.Millisecond)
	runtime.GC() // stops the world: every loop must give way
	stop.Store(true)
	<-tight
	return nil
}

// pingPong hands a number to and fro between two threads.
func pingPong() error {
	a, b := make(chan int), make(chan int)
	go func() {
		runtime.LockOSThread()
		for n := range a {
			b <- n + 1
		}
		close(b)
	}()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	n := 0
	for range 2000 {
		a <- n
		n = <-b
	}
	close(a)
	if n != 2000 {
		return fmt.Errorf("ended at %d", n)
	}
	return nil
}

// threads keeps many threads in system calls at once, and lets them exit.
func threads() error {
	const n = 24
	ids := make(chan int, n)
	var wg sync.WaitGroup
	for range n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			runtime.LockOSThread() // not unlocked: the thread ends with the goroutine
			ts := syscall.Timespec{Nsec: 5e6}
			if err := syscall.Nanosleep(&ts, nil); err != nil {
				ids <- -1
				return
			}
			ids <- syscall.Gettid()
		}()
	}
	wg.Wait()
	seen := map[int]bool{}
	for range n {
		id := <-ids
		if id <= 0 || seen[id] {
			return fmt.Errorf("thread id %d is bad or came twice", id)
		}
		seen[id] = true
	}
	return nil
}

func signals() error {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	defer signal.Stop(c)
	for range 10 {
		if err := syscall.Kill(syscall.Getpid(), syscall.SIGUSR1); err != nil {
			return err
		}
		<-c
	}
	return nil
}

func libraries() error {
	in := map[string]any{"frame": []any{"ss", "sp", "flags"}, "size": 168.0}
	text, err := json.Marshal(in)
	if err != nil {
		return err
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		return err
	}
	if fmt.Sprint(in) != fmt.Sprint(out) {
		return fmt.Errorf("JSON came back as %v", out)
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256([]byte("entry"))); len(sum) != 64 || sum == fmt.Sprintf("%x", sha256.Sum256(nil)) {
		return fmt.Errorf("sha256 is %s", sum)
	}
	if !regexp.MustCompile(`^(ab+)+$`).MatchString("abbbabab") {
		return errors.New("regexp does not match")
	}
	return nil
}

// files reads its own first bytes back, and misses what is not there.
func files() error {
	f, err := os.Open("/init")
	if err != nil {
		return err
	}
	defer f.Close()
	var magic [4]byte
	if _, err := f.ReadAt(magic[:], 0); err != nil {
		return err
	}
	if string(magic[:]) != "\x7fELF" {
		return fmt.Errorf("/init begins with %q", magic)
	}
	if _, err := os.ReadFile("/no/such/file"); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("a missing file gives %v", err)
	}
	return nil
}
