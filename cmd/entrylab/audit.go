package main

import (
	"context"
	"errors"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/measure/table"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/prove"
)

func (e *env) auditCommand() *cli.Command {
	var format string
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

A call is on the slow path once its frame is completed for somebody. The exit
status is 1 if a reader is wrong or needless. The row of the NMI does not count:
at the first instructions of an entry there is no frame yet.

Examples:

    entrylab audit linux-3.19
    entrylab audit heukelum-v2+readers=kstk_esp`,
		Flags: []cli.Flag{formatFlag(&format, textFormats...)},
	}, func(ctx context.Context, args []string) (int, error) { return e.runAudit(ctx, format, args) })
}

func (e *env) runAudit(ctx context.Context, format string, args []string) (int, error) {
	if len(args) == 0 {
		return 0, errors.New("want a variant; `entrylab variants` lists the presets")
	}
	list, err := eachVariant(ctx, args)
	if err != nil {
		return 0, err
	}
	im, err := image.Build(image.Config{Variants: list})
	if err != nil {
		return 0, err
	}
	status := 0
	d := &table.Document{Title: "entrylab audit"}
	rows := &table.Table{Name: "readings", Words: true, Head: []string{"variant", "reader", "thread", "verdict", "reads", "by", "wants", "wrong at", "places", "first", "Linux 3.19"}}
	audits := prove.Start(list, func(n stubs.Variant) (*prove.Audit, error) { return prove.AuditObject(im.Object, n) })
	for i, wait := range audits {
		a, err := computed(ctx, wait)
		if err != nil {
			return 0, err
		}
		if i > 0 && format == "text" {
			d.Add(table.Space)
		}
		if a.Wrong() {
			status = exitFail
		}
		if format == "text" {
			d.Add(auditText(a)...)
			continue
		}
		for _, c := range a.Cells {
			first, wrong, _ := c.First()
			rows.Add(a.Variant, c.Row, c.State.String(), c.Verdict.String(), c.Word, c.By.String(), "the user's RSP", wrong, len(c.Places), whereText(first.Where), layout.RSPReaders[c.Reader].Source)
		}
	}
	if format != "text" {
		d.Add(table.Block{Table: rows})
	}
	return status, e.print(d, format)
}

// whereText is a place in words, nothing for none.
func whereText(w prove.Where) string {
	if w.Func == "" {
		return ""
	}
	return w.String()
}

// auditText is an audit for people: a matrix, and what is wrong.
func auditText(a *prove.Audit) []table.Block {
	t := &table.Table{Words: true, Head: []string{a.Variant}}
	for s := range prove.NumThreadStates {
		t.Head = append(t.Head, s.Short())
	}
	var notes []string
	for _, row := range a.Rows() {
		values := []any{row}
		for s := range prove.NumThreadStates {
			c := a.Cell(row, s)
			if c == nil {
				values = append(values, prove.NotRead.String())
				continue
			}
			values = append(values, c.Verdict.String())
			if c.Faulty() {
				notes = append(notes, c.String())
			}
		}
		t.Add(values...)
	}
	blocks := []table.Block{{Table: t}}
	if notes != nil {
		blocks = append(blocks, table.Space)
		for _, n := range notes {
			blocks = append(blocks, table.Line("%s", n))
		}
	}
	return blocks
}
