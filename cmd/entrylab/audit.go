package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/measure/audit"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/table"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/prove"
)

// auditOptions are the flags of audit.
type auditOptions struct {
	machineFlags
	format string
	boot   bool
}

func (e *env) auditCommand() *cli.Command {
	var o auditOptions
	return e.command(&cli.Command{
		Name:      "audit",
		Usage:     "say what each reader of a thread's user RSP finds, in each state of the thread",
		ArgsUsage: "VARIANT...",
		Metadata:  completes(variants),
		Description: `Change (a) moves the user's RSP, so every reader of it has to be moved as well.
The readers are functions of the kernel with Linux's names; axis readers= leaves
one of them as it was. The audit follows every path of the variant, as the proof
does, and says for each reader and each state of a thread what it finds:

    right           the user's RSP
    stale           the RSP of another time, or of another thread
    undefined slot  a slot of the frame that the call has not filled
    racy            it depends on the instruction at which the thread is
    needless        the function keeps a word up to date that nobody reads
    not built       a state that Linux has, and this kernel, with one CPU, not

-boot boots the variant as well: threads are brought into each state with an RSP
that is known, and are stopped at each instruction of their calls. Every reading
must be one that the proof allows.

A call is on the slow path once its frame is completed for somebody. The exit
status is 1 if a reader is wrong or needless. The row of the NMI does not count:
at the first instructions of an entry there is no frame yet.

Examples:

    entrylab audit linux-3.19
    entrylab audit heukelum-v2+readers=kstk_esp
    entrylab audit -boot linux-4.1`,
		Flags: append(o.flags(booting(engine.All())), formatFlag(&o.format, textFormats...),
			&cli.BoolFlag{Name: "boot", Usage: "boot each variant too, and hold what its readers find against the proof", Destination: &o.boot}),
	}, func(ctx context.Context, args []string) (int, error) { return e.runAudit(ctx, &o, args) })
}

func (e *env) runAudit(ctx context.Context, o *auditOptions, args []string) (int, error) {
	if len(args) == 0 {
		return 0, errors.New("want a variant; `entrylab variants` lists the presets")
	}
	list, err := eachVariant(ctx, args)
	if err != nil {
		return 0, err
	}
	var machine vm.Config
	if o.boot {
		if machine, err = o.config(ctx, e); err != nil {
			return 0, err
		}
	}
	p := e.progress()
	defer p.done()
	status := 0
	d := &table.Document{Title: "entrylab audit"}
	rows := &table.Table{Name: "readings", Words: true, Head: []string{
		"variant", "reader", "thread", "verdict", "reads", "by", "wants", "wrong at", "places", "first", "Linux 3.19", "boot right", "boot wrong",
	}}
	for i, n := range list {
		p.step(n.Name)
		r, err := auditOne(ctx, n, o.boot, machine)
		if err != nil {
			return 0, err
		}
		if r.Wrong() || r.Differs != nil {
			status = exitFail
		}
		if o.format == "text" {
			if i > 0 {
				d.Add(table.Space)
			}
			d.Add(auditText(r, o.boot)...)
			continue
		}
		for i, c := range r.Cells {
			first, wrong, _ := c.First()
			rows.Add(r.Variant, c.Row, c.State.String(), c.Verdict.String(), c.Word, whereText(c.By), "the user's RSP", wrong, len(c.Places), whereText(first.Where),
				layout.RSPReaders[c.Reader].Source, r.Seen[i].Right, r.Seen[i].Wrong)
		}
		for _, what := range r.Differs {
			d.Add(table.Line("FAIL: %s: %s", r.Variant, what))
		}
	}
	p.done()
	if o.format != "text" {
		d.Blocks = append([]table.Block{{Table: rows}}, d.Blocks...)
	}
	return status, e.print(d, o.format)
}

// auditOne audits a variant as it lies in a kernel of its own, and boots that if asked to.
func auditOne(ctx context.Context, n stubs.Variant, boots bool, machine vm.Config) (*audit.Result, error) {
	kernel, err := image.Build(image.Config{Variants: []stubs.Variant{n}})
	if err != nil {
		return nil, err
	}
	wait := prove.Start([]stubs.Variant{n}, func(n stubs.Variant) (*prove.Audit, error) { return prove.AuditObject(kernel.Object, n) })[0]
	a, err := computed(ctx, wait)
	if err != nil {
		return nil, err
	}
	if !boots {
		return &audit.Result{Audit: a, Seen: make([]audit.Seen, len(a.Cells))}, nil
	}
	return audit.Boot(ctx, n, kernel, a, machine)
}

// whereText returns a place in words, nothing for none.
func whereText(w prove.Where) string {
	if w.Func == "" {
		return ""
	}
	return w.String()
}

// auditText returns an audit for people: a matrix, what is wrong, and what a boot says to
// it.
func auditText(r *audit.Result, booted bool) []table.Block {
	t := &table.Table{Words: true, Head: []string{r.Variant}}
	for s := range prove.NumThreadStates {
		t.Head = append(t.Head, s.Short())
	}
	lines := []table.Block{table.Space}
	for _, row := range r.Rows() {
		values := []any{row}
		for s := range prove.NumThreadStates {
			i := r.Find(row, s)
			if i < 0 {
				values = append(values, prove.NotRead.String())
				continue
			}
			c, seen := &r.Cells[i], r.Seen[i]
			values = append(values, c.Verdict.String())
			if !c.Faulty() {
				continue
			}
			text := c.String()
			if seen.Wrong > 0 {
				text += fmt.Sprintf("; the boot read %#x for %#x", seen.First.Got, seen.First.Want)
			}
			lines = append(lines, table.Line("%s", text))
		}
		t.Add(values...)
	}
	blocks := []table.Block{{Table: t}}
	if len(lines) > 1 {
		blocks = append(blocks, lines...)
	}
	if !booted {
		return blocks
	}
	right, wrong := 0, 0
	for _, s := range r.Seen {
		right, wrong = right+s.Right, wrong+s.Wrong
	}
	blocks = append(blocks, table.Space, table.Line("boot: %d readings right, %d wrong, with threads stopped at %d of %d instructions; %d differ from the proof", right, wrong, r.Met, r.Places, len(r.Differs)))
	for _, what := range r.Differs {
		blocks = append(blocks, table.Line("FAIL: %s", what))
	}
	return blocks
}
