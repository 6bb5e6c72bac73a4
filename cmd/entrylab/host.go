package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/table"
)

// hostFlags are the flags of verify that an engine has which boots no machine.
var hostFlags = []string{"engine", "timeout", "format"}

// known are differences from the architecture that have been seen on hosts, by
// what the guest says of a check.
var known = []struct {
	finding *regexp.Regexp
	text    string
}{{
	regexp.MustCompile(`\[NT\] differ`),
	"NT is lost on SYSCALL. The CPU keeps it: R11 has it from before the call, and SYSRET and IRET bring it back (SDM volume 2). This was seen under a paravirtual hypervisor.",
}}

// otherFlags are differences of flags that no known finding has.
var otherFlags = regexp.MustCompile(`\[[A-Z ]*\] differ`)

// verifyHost makes the checks that a program can make on the kernel and the
// hypervisor under this process. What differs from the architecture is a finding
// about these. given are the flags that the command was given.
func (e *env) verifyHost(ctx context.Context, en engine.Engine, o *verifyOptions, given []string) (int, error) {
	for _, name := range given {
		if !slices.Contains(hostFlags, name) {
			return 0, fmt.Errorf("-%s: -engine %s boots no machine and has one entry path, that of the kernel which runs", name, en.Name)
		}
	}
	p := e.progress()
	defer p.done()
	if o.timeout != nil {
		limited, stop := context.WithTimeoutCause(ctx, *o.timeout, fmt.Errorf("no end after %v (time-out)", *o.timeout))
		defer stop()
		ctx = limited
	}
	p.step("checking this host")
	res, err := en.Verify(ctx)
	p.done()
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if err != nil {
		return 0, err
	}
	c := engine.HostConfig()
	c.Engine = en.Name
	d, status := hostFindings(fmt.Sprintf("engine %s, Linux %s, on %s", en.Name, c.Kernel, c.Host), res)
	d.Config = new(table.ConfigOf(c))
	return status, e.print(d, o.format)
}

// hostFindings returns what was found, known differences together, and the exit status: one
// for a difference, as for any check that fails.
func hostFindings(host string, res *wire.Results) (d *table.Document, status int) {
	d = &table.Document{Title: "entrylab verify"}
	d.Add(table.Line("%s", host))
	if m, ok := res.Machine(); ok {
		d.Add(table.Line("hypervisor by CPUID: %s", cmp.Or(m.Hypervisor, "none")))
	}
	counts := &table.Table{Name: "kernels", Head: []string{"kernel", "pass", "differ", "skip", "error"}}
	counts.Add("this host's", res.Count("", wire.Pass), res.Count("", wire.Fail), res.Count("", wire.Skip), res.Count("", wire.Error))
	d.Add(table.Block{Table: counts})
	skipped, seen := map[string]int{}, make([]int, len(known))
	for _, c := range res.Checks {
		switch c.Outcome {
		case wire.Pass:
			continue
		case wire.Skip:
			skipped[c.Detail]++
			continue
		case wire.Error:
			status = exitError
		case wire.Fail:
			status = max(status, exitFail)
			for i, k := range known {
				if k.finding.MatchString(c.Detail) && !otherFlags.MatchString(k.finding.ReplaceAllString(c.Detail, "")) {
					seen[i]++
				}
			}
		}
		d.Add(table.Line("%s: %s (%s)", map[wire.Outcome]string{wire.Fail: "DIFFERS", wire.Error: "ERROR"}[c.Outcome], c.Name, c.Detail))
	}
	for i, n := range seen {
		if n > 0 {
			d.Add(table.Line("known, %d of these: %s", n, known[i].text))
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(skipped)) {
		d.Add(table.Line("skipped, %d: %s", skipped[reason], reason))
	}
	last := "No check saw a difference from the architecture."
	if status == exitFail {
		last = "A difference is a finding about this host's kernel, hypervisor or CPU. It says nothing of a variant."
	}
	if status == exitError {
		last = "The checks could not all be made."
	}
	d.Add(table.Line("%s", last))
	return d, status
}
