package replay

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/trace"
	"github.com/entrylab/entrylab/stubs"
)

// Config says what to replay.
type Config struct {
	// Variants are compared with the first of them.
	Variants []stubs.Variant
	// Paths take the place of Variants: null calls as machines ran them, whose assembly is
	// replayed.
	Paths []trace.Path
	// Budget is the CPU time for sampling. Each process makes at least one placement.
	// 0: DefaultBudget.
	Budget time.Duration
	// Processes sample one after the other, each with pages of its own: the effect of the
	// pages belongs into the interval. 0: DefaultProcesses.
	Processes int
	// Seed decides all random choices; 0: one from the clock.
	Seed uint64
	// Progress, if not nil, is called with the progress of the run.
	Progress func(string)

	// For tests.
	tamper  func(*job)
	readCPU func() (CPU, error)
}

// DefaultBudget is more than enough to resolve 0.3 cycles between two variants, if the core
// is not shared.
const DefaultBudget = 15 * time.Second

// DefaultProcesses are enough to meet a kind of process that is one in four and, if
// processes do not matter, for an interval that is hardly wider than that of the
// placements.
const DefaultProcesses = 16

// Forms are all forms. The figure of the first is the one to print.
var Forms = []string{formSR1, formSR0, FormN, formD}

// Forms and operations, as records name them.
const (
	formSR1 = "SR1"
	formSR0 = "SR0"
	FormN   = "N0"
	formD   = "D0"

	opLadder = "ladder"
)

// Run replays the variants and returns what was measured. If too few placements are left,
// it returns a [stats.RefusedError] too. It ends early, without a result, if ctx is done.
func (r *Replay) Run(ctx context.Context) (*Result, error) {
	c := &r.config
	r.placements = nil
	if r.job.Seed = c.Seed; c.Seed == 0 {
		r.job.Seed = uint64(time.Now().UnixNano())
	}
	cpu, err := c.readCPU()
	if err != nil {
		return nil, err
	}
	for r.job.Process = range c.Processes {
		if err := r.sampleAll(ctx); err != nil {
			return nil, err
		}
	}
	if err := r.oneModel(); err != nil {
		return nil, err
	}
	now, err := c.readCPU()
	if err != nil {
		return nil, err
	}
	if now != cpu {
		return nil, fmt.Errorf("the CPU changed under the run: it was %v, now it is %v", cpu, now)
	}
	return r.result(cpu)
}

// Replay is a prepared replay.
type Replay struct {
	// Image is the build from which the variants' code is taken; nil for paths.
	Image *image.Image

	config     Config
	job        job
	subjects   []subject
	cuts       []Cut   // of paths, one for each subject
	stubs      []*stub // by stream
	promises   []promise
	rungs      map[int]rung // by the cell
	placements []*placement
	// excluded says why variants cannot be replayed, by stream.
	excluded map[int]string
}

// subject is what is replayed.
type subject struct {
	name string
	bare bool
	// without is what ring 3 leaves out of its path, where that must be the same in two
	// paths that are compared.
	without string
}

// Prepare takes the variants' code from a build, or that of paths from them, and plans the
// cells.
func Prepare(c Config) (*Replay, error) {
	c.Budget, c.Processes = cmp.Or(c.Budget, DefaultBudget), cmp.Or(c.Processes, DefaultProcesses)
	if c.readCPU == nil {
		c.readCPU = readCPU
	}
	r := &Replay{config: c, excluded: map[int]string{}, job: job{Seed: c.Seed, Budget: c.Budget / time.Duration(c.Processes)}}
	take := r.takeVariants
	if len(c.Paths) > 0 {
		take = r.takePaths
	}
	err := take()
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	for _, name := range []string{"the A/A control", "the +1 control without its cycle", "the +1 control", "the ladder"} {
		base := r.job.Streams[0]
		base.Name = name
		r.add(base, r.stubs[0], r.promises[0])
	}
	for _, part := range []struct {
		to   *chunk
		from func() (chunk, error)
	}{
		{&r.job.User, func() (chunk, error) { return chunkOf(userProgram()) }},
		{&r.job.Kernel, func() (chunk, error) { return chunkOf(kernelProgram(noDose)) }},
		{&r.job.PositiveControl, func() (chunk, error) { return chunkOf(kernelProgram(dose)) }},
		{&r.job.Probe, func() (chunk, error) { return chunkOf(probeProgram()) }},
	} {
		if *part.to, err = part.from(); err != nil {
			return nil, err
		}
	}
	if r.job.Rungs, err = rungs(); err != nil {
		return nil, err
	}
	r.plan()
	return r, nil
}

// takeVariants takes the code of the variants.
func (r *Replay) takeVariants() error {
	list := r.config.Variants
	if len(list) < 2 {
		return errors.New("want at least two variants")
	}
	if list[0].Axes.Bare {
		return errors.New("bare calls no handler, so no control can be made of it: compare with another variant first")
	}
	for i, n := range list {
		if n.Axes.Is(stubs.EntryFRED) {
			r.excluded[i] = fmt.Sprintf("variant %s cannot be replayed: FRED delivers its calls, and ring 3 may not run ERETU", n.Name)
		}
	}
	if why := r.excluded[0]; why != "" || len(r.excluded) == len(list)-1 {
		return errors.New(cmp.Or(why, r.excluded[1]))
	}
	var err error
	if r.Image, err = image.Build(image.Config{Variants: list}); err != nil {
		return err
	}
	for i, n := range list {
		s, err := stubOf(r.Image.Object, n.Name)
		if err != nil {
			return err
		}
		p, err := promiseOf(r.Image.Object, i)
		if err != nil {
			return err
		}
		without := ""
		if n.Axes.Is(stubs.ExitIRET) {
			without = "SYSRETQ"
		}
		r.subjects = append(r.subjects, subject{n.Name, n.Axes.Bare, without})
		r.add(stream{Name: n.Name, Place: n.Lies(), chunk: s.chunk}, s, p)
	}
	return nil
}

// takePaths cuts the code out of the paths.
func (r *Replay) takePaths() error {
	if len(r.config.Paths) < 2 {
		return errors.New("want at least two paths")
	}
	for _, p := range r.config.Paths {
		s, words, cut, err := cutOf(p)
		if err != nil {
			return err
		}
		r.cuts = append(r.cuts, cut)
		r.subjects = append(r.subjects, subject{cut.Label, false, cut.apart()})
		r.add(stream{Name: cut.Label, Words: words, chunk: s.chunk}, s, promise{cut: true})
	}
	return nil
}

func (r *Replay) add(to stream, s *stub, p promise) {
	r.stubs = append(r.stubs, s)
	r.promises = append(r.promises, p)
	r.job.Streams = append(r.job.Streams, to)
}

// Streams of the controls. The positive control is a difference of two streams that call one
// handler each and nothing else. Against the base, which calls all handlers in
// turn, such a stream was measured to take 0.05 cycles less with nothing added at all,
// and a tenth on a disturbed machine: the added cycle then read +0.9.
func (r *Replay) controlAA() int   { return len(r.subjects) }
func (r *Replay) controlNone() int { return len(r.subjects) + 1 }
func (r *Replay) controlDose() int { return len(r.subjects) + 2 }

// The ladders have a stream of their own too: a base that has made their calls as
// well was measured to take 0.3 cycles more than its copy in the forms N0 and D0.
func (r *Replay) ladderStream() int { return len(r.subjects) + 3 }

// plan lists the cells. The rounds make samples of 5 to 20 us: long compared with a step of
// the time-stamp counter, short compared with a time slice.
func (r *Replay) plan() {
	var all, calling []int
	for i := range r.controlAA() + 1 {
		if r.excluded[i] != "" {
			continue
		}
		all = append(all, i)
		if i == r.controlAA() || !r.subjects[i].bare {
			calling = append(calling, i)
		}
	}
	none, dose := []int{r.controlNone()}, []int{r.controlDose()}
	r.job.Cells = []cell{
		{Op: wire.OpNullCall, Form: formSR1, Loop: loopSR, Handler: sysWork, Streams: all, Warm: 40, Trips: 400, Samples: 40},
		{Op: wire.OpNullCall, Form: formSR1, Loop: loopSR, Handler: sysWork, Streams: all, Warm: 8, Trips: 1, Samples: 100, Single: true},
		{Op: wire.OpDoseNone, Form: formSR1, Loop: loopSR, Handler: sysNone, Streams: none, Warm: 40, Trips: 400, Samples: 40},
		{Op: wire.OpDoseOne, Form: formSR1, Loop: loopSR, Handler: sysPositiveControl, Streams: dose, Warm: 40, Trips: 400, Samples: 40},
		{Op: wire.OpNullCall, Form: formSR0, Loop: loopSR, Handler: sysNull, Streams: all, Warm: 40, Trips: 400, Samples: 40},
		{Op: wire.OpNullCall, Form: FormN, Loop: loopN, Handler: sysNull, Streams: all, Warm: 40, Trips: 1000, Samples: 40},
		{Op: wire.OpNullCall, Form: formD, Loop: loopD, Handler: sysNull, Streams: all, Warm: 20, Trips: 300, Samples: 40},
		{Op: wire.OpFullFrameCall, Form: formSR1, Loop: loopSR, Handler: fullFrame, Streams: calling, Warm: 40, Trips: 400, Samples: 40},
		{Op: record.OpSwitchWarm, Form: formSR0, Loop: loopSR, Handler: sysYield, Streams: calling, Warm: 4, Trips: 32, Samples: 20, Switch: true},
		{Op: record.OpSwitchSP, Form: formSR0, Loop: loopSR, Handler: flushSP, Streams: calling, Warm: 2, Trips: 12, Samples: 12, Switch: true, Apart: true},
		{Op: record.OpSwitchThread, Form: formSR0, Loop: loopSR, Handler: flushBoth, Streams: calling, Warm: 2, Trips: 12, Samples: 12, Switch: true},
		{Op: record.OpSwitchBoth, Form: formSR0, Loop: loopSR, Handler: flushBoth, Streams: calling, Warm: 2, Trips: 12, Samples: 12, Switch: true, Apart: true},
	}
	if r.cuts != nil { // of which only the null call was followed
		r.job.Cells = slices.DeleteFunc(r.job.Cells, func(c cell) bool { return c.Switch || c.Handler == fullFrame })
	}
	r.planLadders()
	if r.config.tamper != nil {
		r.config.tamper(&r.job)
	}
}

// sampleAll samples the variants that can be replayed. The first call of each shows whether
// it can, so that another attempt costs little.
func (r *Replay) sampleAll(ctx context.Context) error {
	for {
		err := r.sample(ctx)
		f := (*FaultError)(nil)
		if !errors.As(err, &f) || !f.Privileged || f.stream == 0 || f.stream >= r.controlAA() {
			return err
		}
		r.excluded[f.stream] = f.Error()
		if len(r.excluded) == len(r.subjects)-1 {
			return err
		}
		r.placements = nil
		r.plan()
	}
}

// sample runs the child and collects its placements. The child ends by itself, as its job
// and the code that it runs are bounded (fault.go). It is killed when ctx is done, and by
// the kernel when this process ends.
func (r *Replay) sample(ctx context.Context) error {
	runtime.LockOSThread() // for the kernel, the end of this thread is the end of the parent
	defer runtime.UnlockOSThread()
	limit, cancel := context.WithCancel(ctx)
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("replay: finding this program: %w", err)
	}
	cmd := exec.CommandContext(limit, self)
	cmd.Env = append(os.Environ(), childEnv+"=1", "GODEBUG=asyncpreemptoff=1", "GOTRACEBACK=single")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL} // Ctrl-C is the parent's to act on
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.WaitDelay = time.Second
	faults, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	defer faults.Close()
	cmd.ExtraFiles = []*os.File{w}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("replay: starting the child: %w", err)
	}
	w.Close()
	line, err := json.Marshal(&r.job)
	if err == nil {
		_, err = stdin.Write(append(line, '\n')) // stays open, as the child ends at its end
	}
	said := r.read(bufio.NewReader(stdout))
	if said != nil {
		cancel()
	}
	waited := cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case said != nil:
		return said
	}
	if cmd.ProcessState.ExitCode() == faultStatus {
		if record := readFault(faults); record != nil {
			return r.faultError(record)
		}
	}
	if err := errors.Join(err, waited); err != nil {
		return fmt.Errorf("replay: the child failed: %w\n%s", err, strings.TrimSpace(stderr.String()))
	}
	return nil
}

// read reads the child's messages to their end.
func (r *Replay) read(in *bufio.Reader) error {
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return nil // the child's exit status says more
		}
		var m message
		if err := json.Unmarshal(line, &m); err != nil {
			return fmt.Errorf("replay: the child said %q: %w", line, err)
		}
		switch {
		case m.Error != "":
			return fmt.Errorf("replay: %s", m.Error)
		case m.Trip != nil:
			if err := r.check(m.Trip); err != nil {
				return err
			}
		case m.Placement != nil:
			m.Placement.process = r.job.Process
			r.placements = append(r.placements, m.Placement)
			if r.config.Progress != nil && len(r.placements)%10 == 0 {
				r.config.Progress(fmt.Sprintf("replay: %d placements", len(r.placements)))
			}
		}
	}
}

// oneModel refuses samples of CPUs of several models, whose costs differ.
func (r *Replay) oneModel() error {
	var models []string
	for _, p := range r.placements {
		for _, m := range p.Models {
			if !slices.Contains(models, m) {
				models = append(models, m)
			}
		}
	}
	if len(models) > 1 {
		return fmt.Errorf("samples were taken on CPUs of two models, %s and %s, whose costs differ: a hypervisor moves this machine between them, so that nothing can be measured", models[0], models[1])
	}
	return nil
}

// faultError says what a fault record means.
func (r *Replay) faultError(record []uint64) error {
	word := func(off int) uint64 { return record[off/8] }
	i := int(word(faultRunning)) - 1
	e := &FaultError{
		Variant: r.job.Streams[i].Name, Signal: syscall.Signal(word(faultSignal)), Addr: word(faultAddr), stream: i,
		Endless: word(faultSteps) == 0, Steps: word(faultBound),
		Where: fmt.Sprintf("%#x, outside of its code", word(faultIP)),
	}
	if off := word(faultIP) - word(faultBase); off < uint64(len(r.stubs[i].Code)) {
		var privileged bool
		e.Where, privileged = r.stubs[i].where(int(off))
		e.Privileged = e.Signal != syscall.SIGTRAP && privileged // INT3 is the one before it
	}
	return e
}
