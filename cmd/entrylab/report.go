package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/report"
	"github.com/entrylab/entrylab/measure/store"
	"github.com/entrylab/entrylab/measure/study"
)

// reportOptions are the flags of report.
type reportOptions struct {
	out, format, question string
	mixed                 bool
}

func (e *env) reportCommand() *cli.Command {
	var o reportOptions
	return e.command(&cli.Command{
		Name:      "report",
		Usage:     "write results as one HTML file, or in another format",
		ArgsUsage: "RESULTS...",
		Description: `The HTML file needs only a browser. The other formats are those of entrylab
study, and so are the questions.

Examples:

    entrylab report results.jsonl -o report.html
    entrylab report -question kstack results.jsonl -o report.html
    entrylab report -format csv results.jsonl -o report.csv`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "o", Usage: "write the report to `FILE`; -: standard output", Destination: &o.out},
			questionFlag(&o.question),
			formatFlag(&o.format, "html", "text", "json", "bench", "csv"),
			mixedFlag(&o.mixed),
		},
	}, func(ctx context.Context, args []string) (int, error) { return e.runReport(ctx, o, args) })
}

// mixedFlag returns the flag of a command that reads results.
func mixedFlag(mixed *bool) cli.Flag {
	return &cli.BoolFlag{Name: "mixed", Usage: "use results of several machines in one comparison", Destination: mixed}
}

func (e *env) runReport(ctx context.Context, o reportOptions, files []string) (int, error) {
	if o.out == "" || len(files) == 0 {
		return 0, errors.New("want results files, as entrylab study writes them, and -o FILE")
	}
	for i, path := range files {
		if err := notInput(o.out, path); err != nil {
			return 0, err
		}
		for _, other := range files[:i] {
			if sameFile(path, other) {
				return 0, fmt.Errorf("%s and %s are one file: its figures would count twice", other, path)
			}
		}
	}
	q, err := study.Find(ctx, o.question)
	if err != nil {
		return 0, err
	}
	r := report.Report{Files: files}
	for _, path := range files {
		records, cut, err := store.ReadFile(ctx, path, engine.Known)
		if err != nil {
			return 0, err
		}
		if cut != "" {
			fmt.Fprintln(e.stderr, "entrylab:", cut)
			r.Notes = append(r.Notes, cut)
		}
		r.Records = append(r.Records, records...)
		e.sayMemory(path, records)
	}
	if err := engine.OneMachine(r.Records); err != nil {
		if !o.mixed {
			return 0, fmt.Errorf("%w (-mixed compares them all the same)", err)
		}
		r.Notes = append(r.Notes, err.Error())
	}
	file, err := computed(ctx, func() ([]byte, error) {
		r.Page = study.NewPage(q, r.Records, nil)
		for _, s := range r.Page.Missing() {
			r.Notes = append(r.Notes, s.Engine+": "+s.Reason)
		}
		var file bytes.Buffer
		if o.format != "html" {
			err := r.Page.Document().Write(&file, o.format)
			return file.Bytes(), err
		}
		err := r.Write(&file)
		return file.Bytes(), err
	})
	if err != nil {
		return 0, err
	}
	return 0, e.write("report", o.out, file, fmt.Sprintf("%d figures, %d bytes", len(r.Records), len(file)))
}

// notInput refuses an output that would take the place of what is read.
func notInput(out, in string) error {
	if out != toStdout && sameFile(out, in) {
		return fmt.Errorf("-o %s is the file that is read: give another path", out)
	}
	return nil
}

// sameFile reports whether two paths are of one file that is there.
func sameFile(a, b string) bool {
	ia, err := os.Stat(a)
	if err != nil {
		return false
	}
	ib, err := os.Stat(b)
	return err == nil && os.SameFile(ia, ib)
}
