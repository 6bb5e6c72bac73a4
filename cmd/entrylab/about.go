package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/internal/wholefile"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/table"
	"github.com/entrylab/entrylab/stubs"
)

// jsonFlag returns the flag of commands whose standard output, or whose -format, is
// something else's: what they say for programs goes to a file.
func jsonFlag(path *string, what string) cli.Flag {
	return &cli.StringFlag{Name: "json", TakesFile: true, Usage: "write " + what + " to `FILE` as JSON; -: standard output", Destination: path}
}

// checkJSON refuses a file for -json that another flag names, too.
func checkJSON(path, out, in string) error {
	switch {
	case path == "":
		return nil
	case path == out || sameFile(path, out):
		return fmt.Errorf("-json %s is where the image goes: give another path", path)
	case path != toStdout && sameFile(path, in):
		return fmt.Errorf("-json %s is the file that is read: give another path", path)
	}
	return nil
}

// writeJSON writes a document to the file of -json, if it is given.
func (e *env) writeJSON(path string, d *table.Document) error {
	if path == "" {
		return nil
	}
	if path == toStdout {
		return e.print(d, "json")
	}
	var b bytes.Buffer
	return errors.Join(d.Write(&b, "json"), wholefile.Write("-json", path, b.Bytes()))
}

// imageDocument says what is in an image: its code is what figures of the same kernel and
// init name, and its sections lie at the addresses that a debugger sees.
func imageDocument(o buildOptions, list []stubs.Variant, im *image.Image, archive, file []byte) *table.Document {
	about := &table.Table{Name: "image", Head: []string{"format", "bytes", "sha256", "code", "kernel bytes", "initramfs bytes", "boots", "append", "signed"}}
	about.Add(o.format, len(file), fmt.Sprintf("%x", sha256.Sum256(file)), im.Hash(archive), im.Size, len(archive), o.series(), o.words, o.sign != "")
	variants := &table.Table{Name: "variants", Head: []string{"variant", "axes", "entry"}}
	for _, n := range list {
		addr, _ := im.Object.Addr(n.FuncName(stubs.Entry))
		variants.Add(n.Name, n.Axes.String(), fmt.Sprintf("%#x", addr))
	}
	sections := &table.Table{Name: "sections", Head: []string{"section", "address", "bytes"}}
	for _, s := range im.Object.Sections {
		sections.Add(s.Name, fmt.Sprintf("%#x", s.Addr), s.Size)
	}
	return &table.Document{Title: "entrylab build", Blocks: []table.Block{{Table: about}, {Table: variants}, {Table: sections}}}
}

// machineDocument returns a document of what a machine did.
func machineDocument(ctx context.Context, title string, m vm.Config) *table.Document {
	c := engine.HostConfig()
	c.Engine, c.Machine, c.CPU = string(m.Engine), string(m.Machine), m.CPU
	var err error
	if c.Emulator, err = vm.Emulator(ctx, m.Engine); err != nil {
		c.Emulator += "of unknown version (" + err.Error() + ")"
	}
	return &table.Document{Title: title, Config: new(table.ConfigOf(c))}
}

// endDocument says how a machine ended that boot started.
func endDocument(ctx context.Context, o *bootOptions, n stubs.Variant, m vm.Config, res vm.Result) *table.Document {
	end := &table.Table{Name: "boot", Head: []string{"variant", "axes", "init", "append", "outcome", "status", "reason", "seconds", "seconds to first byte", "command line"}}
	end.Add(n.Name, n.Axes.String(), o.init, o.words, res.Outcome.String(), res.Status, res.Reason, res.Elapsed.Seconds(), res.FirstByte.Seconds(), res.CommandLine)
	d := machineDocument(ctx, "entrylab boot", m)
	d.Add(table.Block{Table: end})
	return d
}
