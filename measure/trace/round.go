package trace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/linux"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/gdb"
)

// Round is what a machine runs in one round of an operation that the guest measures, from
// the reading of the time-stamp counter before it to that behind it. Its steps are those that
// the operation is charged with: the kernel's, of all threads, and each SYSCALL.
type Round struct {
	Path
	// Operations is how many operations the round has: a round of a switch has two.
	Operations int
	// Ways are the ways from ring 3 into the kernel and back, perhaps to another thread.
	Ways []Way
	// Ring3 is how many instructions ring 3 runs besides, After those behind the last way.
	Ring3, After int
}

// Way is a part of a round's steps.
type Way struct {
	// From is the first step, To the one behind the last.
	From, To int
	// Event is the interrupt or exception by which the kernel was entered; empty: a SYSCALL.
	Event string
	// Nested are the events that came while the kernel ran.
	Nested []string
	// Before is how many instructions ring 3 runs since the way before.
	Before int
}

func (w Way) interrupted() bool { return strings.HasPrefix(w.Event, interruptName) }

// What names a way: by the handler of its call, or its event, and what came in it.
func (r *Round) What(w Way) string {
	name := w.Event
	if name == "" {
		name = "a call without a handler"
		if i := slices.IndexFunc(r.Steps[w.From:w.To], func(s Step) bool { return isHandler(s.Func) }); i >= 0 {
			name = r.Steps[w.From+i].Function()
		}
	}
	if len(w.Nested) == 0 {
		return name
	}
	var words []string
	for _, event := range slices.Compact(slices.Sorted(slices.Values(w.Nested))) {
		n := 0
		for _, e := range w.Nested {
			if e == event {
				n++
			}
		}
		if n > 1 {
			event = fmt.Sprintf("%d times %s", n, event)
		}
		words = append(words, event)
	}
	return name + ", in it " + strings.Join(words, ", ")
}

// Operation follows a round of the operation that the guest of a prepared machine makes
// (wire.Command.Trace and Operation), on a generated kernel under the variant of that name.
func Operation(ctx context.Context, m vm.Config, variant, op string) (*Round, error) {
	image, err := readImage(m.Kernel)
	if err != nil {
		return nil, err
	}
	r, _, err := followRound(ctx, m, variant, op, false, nil)
	if err != nil {
		return nil, err
	}
	for i, s := range r.Steps {
		if s.Func != Ring3 {
			r.Steps[i].Func, r.Steps[i].Start, _ = image.place(s.Addr)
		}
	}
	return r, nil
}

// LinuxOperation does as Operation on a prepared machine whose kernel is a Linux. The run
// is what Linux, the function, has.
func LinuxOperation(ctx context.Context, m vm.Config, op string, onLine func(string)) (*Round, *boot.Run, error) {
	image, err := linux.Open(ctx, m.Kernel)
	if err != nil {
		return nil, nil, err
	}
	symbols, err := image.Symbols(ctx)
	if err != nil {
		return nil, nil, err
	}
	r, run, err := followRound(ctx, m, wire.Linux, op, true, onLine)
	if err != nil {
		return nil, run, err
	}
	r.name(symbols, run.Symbols)
	return r, run, nil
}

// followRound boots a prepared machine and follows a round of its guest.
func followRound(ctx context.Context, m vm.Config, subject, op string, ask bool, onLine func(string)) (*Round, *boot.Run, error) {
	guest, err := readGuest()
	if err != nil {
		return nil, nil, err
	}
	log, err := newExecLog()
	if err != nil {
		return nil, nil, err
	}
	defer log.Close()
	m.Extra = append(slices.Clone(m.Extra), log.args()...)
	r := &Round{Path: Path{Subject: subject}}
	f := &roundFollower{guest: guest, log: log, ask: ask}
	run, err := debugged(ctx, m, ask, onLine, func(conn *os.File) error { return f.follow(conn, r) })
	if err != nil {
		return nil, run, err
	}
	if r.Operations == 0 {
		why := "the guest makes no round of it"
		for _, c := range run.Checks {
			if c.Variant() == wire.CheckTrace && c.Detail != "" {
				why = c.Detail
			}
		}
		return nil, run, fmt.Errorf("trace: %s: %s: %s", subject, op, why)
	}
	if op == wire.OpThreadSwitchPreempted {
		if err := r.preemptions(); err != nil {
			return nil, run, fmt.Errorf("trace: %s: %s: %w", subject, op, err)
		}
	}
	if got, ok := run.Find(subject, op); ok {
		r.Counted = got.Median
	}
	return r, run, nil
}

// preemptions leaves of a round the last of its preemptions, as many as it has operations.
// What is left out is the guest's: the threads get into step, and in the end one yields.
func (r *Round) preemptions() error {
	last := len(r.Ways)
	for last > 0 && !r.Ways[last-1].interrupted() {
		last--
	}
	first := last - r.Operations
	if first < 0 || slices.ContainsFunc(r.Ways[first:last], func(w Way) bool { return !w.interrupted() }) {
		return fmt.Errorf("the timer did not take the CPU %d times", r.Operations)
	}
	r.Ways = slices.Clone(r.Ways[first:last])
	from := r.Ways[0].From
	r.Steps = r.Steps[from:r.Ways[len(r.Ways)-1].To]
	r.Ways[0].Before, r.Ring3, r.After = 0, 0, 0
	for i := range r.Ways {
		r.Ways[i].From, r.Ways[i].To = r.Ways[i].From-from, r.Ways[i].To-from
		r.Ring3 += r.Ways[i].Before
	}
	return nil
}

// roundFollower follows rounds through a machine's gdb stub and its log.
type roundFollower struct {
	guest *guest
	log   *execLog
	stub  *gdb.Stub
	conn  *os.File
	ask   bool
}

// follow logs what the machine runs between the guest's two null calls and finds the round in
// it; then it asks for the names of the functions, and lets the machine continue.
func (f *roundFollower) follow(conn *os.File, r *Round) error {
	f.conn, f.stub = conn, gdb.New(conn)
	site, err := f.guest.tracedSyscall()
	if err != nil {
		return err
	}
	if err := f.stub.Break(site); err != nil {
		return err
	}
	if err := f.stub.Continue(); err != nil {
		return err
	}
	if err := f.stub.Step(); err != nil { // a machine that goes on at a breakpoint stops there at once
		return err
	}
	got, err := f.logged()
	if err != nil {
		return err
	}
	at, err := f.stub.Registers()
	switch {
	case err != nil:
		return err
	case at.RIP != site:
		return fmt.Errorf("the machine stopped at %#x, which is not where the call is made", at.RIP)
	}
	if r.Operations = int(at.R14); r.Operations > 0 {
		if err := got.cut(f.guest, at.R15); err != nil {
			return err
		}
		if err := f.read(got, r); err != nil {
			return err
		}
		if f.ask {
			names := follower{stub: f.stub}
			if err := names.ask(r.Steps, at); err != nil {
				return err
			}
		}
	}
	if err := f.stub.Unbreak(site); err != nil {
		return err
	}
	return f.stub.Detach()
}

// logged lets the machine run up to a breakpoint, and returns what it has run.
func (f *roundFollower) logged() (*logged, error) {
	if err := f.log.turn(f.stub, true); err != nil {
		return nil, err
	}
	var got *logged
	var failed error
	read := make(chan struct{})
	go func() {
		defer close(read)
		if got, failed = f.log.read(); failed != nil {
			// Nobody reads what QEMU logs, and it stops: wait neither for it nor for room.
			f.conn.SetReadDeadline(time.Now())
			f.log.pipe.SetWriteDeadline(time.Now())
		}
	}()
	err := f.stub.Continue()
	if err == nil {
		err = f.log.turn(f.stub, false)
	}
	if err == nil {
		err = f.log.end()
	}
	if err != nil {
		f.log.pipe.SetReadDeadline(time.Now())
	}
	<-read
	if failed != nil && !errors.Is(failed, os.ErrDeadlineExceeded) {
		return nil, failed
	}
	return got, err
}

// read makes a round of what was logged. The machine stands at a null call, and is let into
// it until it can read the kernel's code, which the page tables of ring 3 may not have.
func (f *roundFollower) read(got *logged, r *Round) error {
	ways, after := got.ways()
	r.After, r.Ring3 = after, after
	for _, w := range ways {
		from := len(r.Steps)
		if w.Event == "" {
			w.Before-- // it is the call's
			r.Steps = append(r.Steps, Step{Addr: got.addrs[w.From-1], Code: syscallCode, Func: Ring3, Start: got.addrs[w.From-1]})
		}
		for _, at := range got.addrs[w.From:w.To] {
			r.Steps = append(r.Steps, Step{Addr: at})
		}
		w.From, w.To = from, len(r.Steps)
		r.Ways = append(r.Ways, w)
		r.Ring3 += w.Before
	}
	code, err := f.code(addresses(r.Steps))
	if err != nil {
		return err
	}
	for i, s := range r.Steps {
		if s.Func != Ring3 {
			r.Steps[i].Code = code[s.Addr]
		}
	}
	return nil
}

// syscallCode is SYSCALL.
var syscallCode = []byte{0x0f, 0x05}

// code reads the instructions at addresses, which ascend.
func (f *roundFollower) code(addrs []uint64) (map[uint64][]byte, error) {
	const block = 1024 // which does not cross the end of a page
	blocks := map[uint64][]byte{}
	read := func(at uint64) ([]byte, error) {
		if _, ok := blocks[at/block]; !ok {
			b, err := f.stub.Memory(at&^(block-1), block)
			if err != nil {
				return nil, err
			}
			blocks[at/block] = b
		}
		return blocks[at/block][at%block:], nil
	}
	code := map[uint64][]byte{}
	const most = 1000 // steps into the null call
	for steps := 0; len(code) < len(addrs); {
		at := addrs[len(code)]
		b, err := read(at)
		if errors.Is(err, gdb.ErrUnmapped) && steps < most {
			steps++
			if err := f.stub.Step(); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		if len(b) < maxInstruction {
			next, err := read((at/block + 1) * block)
			if err != nil && !errors.Is(err, gdb.ErrUnmapped) {
				return nil, err
			}
			b = slices.Concat(b, next)
		}
		b = b[:min(len(b), maxInstruction)]
		code[at] = slices.Clone(b[:length(b)])
	}
	return code, nil
}
