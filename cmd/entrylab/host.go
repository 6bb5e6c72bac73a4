package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"text/tabwriter"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/engine"
)

// engineHost boots nothing: it is the kernel that this process runs on.
const engineHost = "host"

// hostFlags are the flags of verify that -engine host has.
var hostFlags = []string{"engine", "timeout"}

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
func (e *env) verifyHost(ctx context.Context, m *machineFlags, given []string) (int, error) {
	for _, name := range given {
		if !slices.Contains(hostFlags, name) {
			return 0, fmt.Errorf("-%s: -engine %s boots no machine and has one entry path, that of the kernel which runs", name, engineHost)
		}
	}
	p := newProgress(e.stderr)
	defer p.done()
	program, remove, err := boot.HostProgram()
	if err != nil {
		return 0, err
	}
	defer remove()
	if m.timeout != nil {
		limited, stop := context.WithTimeoutCause(ctx, *m.timeout, fmt.Errorf("no end after %v (time-out)", *m.timeout))
		defer stop()
		ctx = limited
	}
	p.step("checking this host")
	res, err := boot.RunHost(ctx, program)
	p.done()
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if err != nil {
		return 0, err
	}
	c := engine.HostConfig()
	return hostFindings(e.stdout, fmt.Sprintf("engine %s, Linux %s, on %s", engineHost, c.Kernel, c.Host), res)
}

// hostFindings prints what was found, known differences together, and returns the
// exit status: one for a difference, as for any check that fails.
func hostFindings(w io.Writer, host string, res *wire.Results) (int, error) {
	fmt.Fprintln(w, host)
	if m, ok := res.Machine(); ok {
		fmt.Fprintf(w, "hypervisor by CPUID: %s\n", cmp.Or(m.Hypervisor, "none"))
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "kernel\tpass\tdiffer\tskip\terror\nthis host's\t%d\t%d\t%d\t%d\n",
		res.Count("", wire.Pass), res.Count("", wire.Fail), res.Count("", wire.Skip), res.Count("", wire.Error))
	if err := table.Flush(); err != nil {
		return 0, err
	}
	status := 0
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
		fmt.Fprintf(w, "%s: %s (%s)\n", map[wire.Outcome]string{wire.Fail: "DIFFERS", wire.Error: "ERROR"}[c.Outcome], c.Name, c.Detail)
	}
	for i, n := range seen {
		if n > 0 {
			fmt.Fprintf(w, "known, %d of these: %s\n", n, known[i].text)
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(skipped)) {
		fmt.Fprintf(w, "skipped, %d: %s\n", skipped[reason], reason)
	}
	last := "No check saw a difference from the architecture."
	if status == exitFail {
		last = "A difference is a finding about this host's kernel, hypervisor or CPU. It says nothing of a variant."
	}
	if status == exitError {
		last = "The checks could not all be made."
	}
	_, err := fmt.Fprintln(w, last)
	return status, err
}
