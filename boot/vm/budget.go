package vm

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/entrylab/entrylab/internal/work"
)

// DefaultInstructions is how much a machine whose task is unknown may do: all checks
// on all presets take some 2,000 million instructions.
const DefaultInstructions = 10_000_000_000

const (
	// perByte is how many instructions a byte that the guest sends counts as:
	// an emulator takes about that long for its port I/O. Without it, a guest that
	// prints for ever would fill the memory first.
	perByte = 100
	// perSecond is how many instructions a second of the guest's sleep counts as, under
	// ICount: no instruction is executed, and emulators skip some hundred such seconds
	// in one of the host's.
	perSecond = 1_000_000

	// maxIdle is how long a machine with its own timers may do nothing. Where time
	// passes at once when nothing else happens (counts), it is maxIdleCounted.
	maxIdle        = 10 * time.Minute
	maxIdleCounted = 10 * time.Second
)

// rate returns how many instructions the engine executes at least in a second of CPU time
// at Speed 1 (package work): a third of the slowest rate that was seen.
func (e Engine) rate() float64 {
	if e == Bochs {
		return 8e6
	}
	return 25e6
}

// timeoutError is why a machine was ended before it ended itself.
type timeoutError string

func (e timeoutError) Error() string { return string(e) + " (time-out)" }

// afterInstructions returns the reason for ending a machine that has used up its budget.
func afterInstructions(n uint64) timeoutError {
	return timeoutError(fmt.Sprintf("no end after the work of %d million instructions", n/1_000_000))
}

// budget is what a machine may do, and what it has done.
type budget struct {
	instructions uint64
	idle         time.Duration // how long it may sleep
	rate         float64       // instructions in a second of work

	last   progress
	unseen float64 // estimated instructions since QEMU last reported some
	asleep time.Duration
}

// progress is all that a machine has done so far.
type progress struct {
	count
	output uint64 // bytes
	work.Meter
}

// count is what QEMU reports about a machine under ICount: 0 on other engines.
type count struct {
	counted uint64        // instructions
	clock   time.Duration // its own: each instruction advances it by 1 ns, and sleep by its length
}

// slept returns the part of the clock that was sleep and no instruction.
func (c count) slept() time.Duration { return max(0, c.clock-time.Duration(c.counted)) }

// budget returns the machine's budget.
func (c *Config) budget() *budget {
	b := &budget{instructions: c.Instructions, idle: maxIdle, rate: c.Engine.rate()}
	if b.instructions == 0 {
		b.instructions = DefaultInstructions
	}
	if c.counts() && c.Debug == nil { // a debugger stops it for any time
		b.idle = maxIdleCounted
	}
	return b
}

// counts reports whether QEMU counts the machine's instructions.
func (c *Config) counts() bool { return c.Engine == "" || c.Engine == ICount }

// spend adds what the machine has done until now, and returns a timeoutError
// when the budget is used up.
func (b *budget) spend(now progress) error {
	if now.counted != b.last.counted || now.output != b.last.output {
		b.asleep = 0
	} else {
		b.asleep += now.Asleep - b.last.Asleep
	}
	if now.counted != b.last.counted {
		b.unseen = 0
	} else {
		b.unseen += (now.Work - b.last.Work).Seconds() * b.rate
	}
	b.last = now
	switch {
	case now.counted+uint64(b.unseen)+perByte*now.output+uint64(now.slept().Seconds()*perSecond) >= b.instructions:
		return afterInstructions(b.instructions)
	case b.asleep >= b.idle:
		return timeoutError(fmt.Sprintf("no end although it did nothing for %v", b.idle))
	}
	return nil
}

// watch watches the machine until done is closed, or until the machine must be ended:
// then stop gets the reason.
func (b *budget) watch(pid int, rec *recorder, qemu *counter, done <-chan struct{}, stop func(error)) {
	// QEMU wakes up to answer, and on a busy host takes several turns for it: it must
	// be seen asleep in between.
	const turnsOfAnswer = 10
	var now progress
	var mute time.Duration
	for turn := 0; ; turn++ {
		select {
		case <-done:
			return
		case <-time.After(work.Turn):
		}
		now.output = rec.bytes()
		slept := now.Asleep
		err := now.Look(pid)
		if mute += now.Asleep - slept; !qemu.owes() {
			mute = 0
		}
		if turn%turnsOfAnswer == 0 {
			now.count = qemu.latest()
		}
		if err == nil && mute >= grace {
			err = errMute
		}
		if err == nil {
			err = b.spend(now)
		}
		if err != nil {
			stop(err)
			return
		}
	}
}

// counter asks QEMU, by its machine protocol (QMP), for the count of a machine. The
// nil counter knows nothing.
type counter struct {
	qmp *os.File

	mu       sync.Mutex
	last     count
	greeted  bool // from then on it is asked
	answered bool
}

// query asks for the number of instructions, which QEMU also gives without a record or
// replay (qapi/replay.json), and for the time of the real-time clock, which is
// the guest's time.
const query = `{"execute": "query-replay"}
{"execute": "qom-get", "arguments": {"path": "/machine", "property": "rtc-time"}}`

// listen reads QEMU's answers, until the end of the connection.
func (c *counter) listen() {
	for answers := json.NewDecoder(c.qmp); ; {
		var answer struct {
			Greeting *struct{} `json:"QMP"`
			Return   struct {
				ICount *uint64 `json:"icount"`

				Year   *int `json:"tm_year"` // since 1900
				Month  int  `json:"tm_mon"`  // from 0
				Day    int  `json:"tm_mday"`
				Hour   int  `json:"tm_hour"`
				Minute int  `json:"tm_min"`
				Second int  `json:"tm_sec"`
			} `json:"return"`
		}
		if answers.Decode(&answer) != nil {
			return
		}
		r := answer.Return
		c.mu.Lock()
		switch {
		case answer.Greeting != nil:
			c.greeted = true
			c.send(`{"execute": "qmp_capabilities"}` + query)
		case r.ICount != nil:
			c.last.counted = *r.ICount
			c.answered = true
		case r.Year != nil:
			c.last.clock = time.Date(1900+*r.Year, time.Month(1+r.Month), r.Day, r.Hour, r.Minute, r.Second, 0, time.UTC).Sub(clockBase)
		}
		c.mu.Unlock()
	}
}

// errMute is why QEMU is killed when it sleeps and owes an answer for the time of
// grace. Version 7.2 hangs like this if it was just about to answer when its guest was
// reset (it waits in monitor_cleanup, of monitor/monitor.c, for something that only it
// could do), and at no other time. The guest has ended, and QEMU's exit code would have
// been 0.
var errMute = errors.New("QEMU does not end after a reset")

// owes reports whether QEMU has been asked and has not answered.
func (c *counter) owes() bool {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.greeted && !c.answered
}

// latest returns the last count that QEMU has reported, and asks for the next.
func (c *counter) latest() count {
	if c == nil {
		return count{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.answered {
		c.answered = false
		c.send(query)
	}
	return c.last
}

// send fails only if QEMU is gone, which others report.
func (c *counter) send(text string) { _, _ = c.qmp.WriteString(text + "\n") }

// qmpChannel returns the options that put QEMU's machine protocol on an inherited socket.
func qmpChannel(fd int) channels {
	return channels{"-chardev", fmt.Sprintf("socket,id=qmp,fd=%d", fd), "-mon", "chardev=qmp,mode=control"}
}
