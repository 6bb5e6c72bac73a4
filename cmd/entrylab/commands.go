package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/authenticode"
	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/bounded"
	"github.com/entrylab/entrylab/internal/host"
	"github.com/entrylab/entrylab/internal/wholefile"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/table"
	"github.com/entrylab/entrylab/stubs"
)

// initFlag returns the flag for a program to run.
func initFlag(path *string) cli.Flag {
	return &cli.StringFlag{
		Name: "init", Destination: path,
		Usage: "static linux/amd64 `PROGRAM` to run as /init, with this path as its argv[0]; without it /init is the guest that verifies and measures",
	}
}

// variantsFlag returns the flag for a list of variants.
func variantsFlag(names *string) cli.Flag {
	return &chosen{
		&cli.StringFlag{Name: "variants", Usage: "`LIST` of variants, separated by commas; all: the presets", Value: "all", Destination: names},
		listOf(variants, completion{"all", "the presets"}),
	}
}

// imageFormats are the kinds of image that build writes, the default first.
var imageFormats = formatNames()

func formatNames() []string {
	var names []string
	for _, f := range image.Formats {
		names = append(names, string(f))
	}
	return names
}

// buildOptions are the flags of build.
type buildOptions struct {
	out, variants, init, format, words, sign, json string
	boots                                          int
	unproved                                       bool
}

func (e *env) buildCommand() *cli.Command {
	var o buildOptions
	return e.command(&cli.Command{
		Name:  "build",
		Usage: "write a kernel image that boots by itself",
		Description: `The image holds the variants, one of which is selected while it runs, and the
program that it runs as /init. The formats are

    elf   for a loader that knows PVH, such as QEMU's -kernel
    efi   an EFI application and a Linux bzImage in one file: for UEFI firmware,
          GRUB, kexec and QEMU's -kernel
    disk  for a stick or a disk, which a BIOS and UEFI firmware boot
    iso   for a CD, which both boot; written to a stick, it is one
    bios  for a BIOS alone, from a small disk or stick

Examples:

    entrylab build -o x.elf
    entrylab build -o BOOTX64.EFI -format efi -append "-- verify measure"
    entrylab build -o x.img -format disk -append "-- verify measure"
    entrylab build -o x.elf -variants linux-3.19,linux-4.1 -init ./prog -json -`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "o", Usage: "write the image to `FILE`; -: standard output", Destination: &o.out},
			&chosen{&cli.StringFlag{
				Name: "format", Usage: "kind `F` of the image: " + orList(imageFormats), Value: imageFormats[0], Destination: &o.format,
				Validator: oneOf(imageFormats...),
			}, among(imageFormats...)},
			variantsFlag(&o.variants),
			initFlag(&o.init),
			&cli.StringFlag{Name: "append", Usage: "`WORDS` for the kernel's command line, which images of all formats but elf hold", Destination: &o.words},
			&cli.IntFlag{Name: "boots", Usage: "`N` boots from a stick or a disk, one after the other, before the machine stops, each with the code at other addresses; 0: 8 if the guest samples, else 1", Destination: &o.boots},
			&cli.StringFlag{Name: "sign", Usage: "sign the EFI application for Secure Boot with `KEY,CERT`: the PEM files of an RSA key and of its certificate", Destination: &o.sign},
			unprovedFlag(&o.unproved),
			jsonFlag(&o.json, "what is in the image, and its sums,"),
		},
	}, func(ctx context.Context, args []string) (int, error) { return e.runBuild(ctx, o, args) })
}

// readSigner reads what -sign names; it is nil without -sign.
func readSigner(ctx context.Context, files string, format image.Format) (*authenticode.Signer, error) {
	if files == "" {
		return nil, nil
	}
	if !format.Signed() {
		return nil, fmt.Errorf("-sign is not for -format %s: there is no EFI application in it", format)
	}
	key, cert, ok := strings.Cut(files, ",")
	if !ok || key == "" || cert == "" {
		return nil, fmt.Errorf("-sign %q: want KEY,CERT, two files with a comma between them", files)
	}
	var pem [2][]byte
	for i, path := range []string{key, cert} {
		var err error
		if pem[i], err = pemFile.ReadFile(ctx, path); err != nil {
			return nil, fmt.Errorf("-sign: %w", err)
		}
	}
	signer, err := authenticode.NewSigner(pem[0], pem[1])
	if err != nil {
		return nil, fmt.Errorf("-sign %s: %w", files, err)
	}
	return signer, nil
}

// pemFile is a key or a certificate.
var pemFile = bounded.Kind{Most: 1 << 20, Regular: true, Advice: "give a PEM file"}

func (e *env) runBuild(ctx context.Context, o buildOptions, args []string) (int, error) {
	if o.out == "" || len(args) > 0 {
		return 0, errors.New("want -o FILE and no further argument")
	}
	format := image.Format(o.format)
	if format == image.ELF && o.words != "" {
		return 0, errors.New("-append is not for -format elf: an ELF file gets its command line from its loader")
	}
	if o.boots < 0 || o.boots > image.MaxBoots {
		return 0, fmt.Errorf("-boots %d: want 1 to %d, or 0", o.boots, image.MaxBoots)
	}
	if o.boots > 1 && format == image.ELF {
		return 0, errors.New("-boots is not for -format elf: there is no medium to count the boots on")
	}
	if err := errors.Join(notInput(o.out, o.init), checkJSON(o.json, o.out, o.init)); err != nil {
		return 0, err
	}
	signer, err := readSigner(ctx, o.sign, format)
	if err != nil {
		return 0, err
	}
	list, err := parseVariants(ctx, o.variants)
	if err != nil {
		return 0, err
	}
	said, err := refuseUnproved(list, o.unproved)
	if err != nil {
		return 0, err
	}
	if o.out == toStdout || o.json == toStdout {
		said.head(e.stderr)
	} else {
		said.head(e.stdout)
	}
	if !slices.ContainsFunc(list, runsInit) {
		return 0, errNotRunnable
	}
	p := e.progress()
	defer p.done()
	archive, err := boot.Initramfs(ctx, o.init, said.files()...)
	if err != nil {
		return 0, err
	}
	words, err := boot.OwnWords(o.init)
	if err != nil {
		return 0, err
	}
	if format != image.BIOS && o.words != "" {
		words += " " + o.words
	}
	im, err := image.Build(image.Config{Variants: list, Initramfs: archive, Cmdline: words, Boots: o.series()})
	if err != nil {
		return 0, err
	}
	file, err := im.File(format, o.words, signer)
	if err != nil {
		return 0, err
	}
	p.done()
	what := fmt.Sprintf("%d bytes (kernel %d, initramfs %d), variants %s", len(file), im.Size, len(archive), joinNames(list))
	if o.json == toStdout {
		err = wholefile.Write("image", o.out, file)
		e.remark("%s: %s", o.out, what)
	} else {
		err = e.write("image", o.out, file, what)
	}
	if err != nil {
		return 0, err
	}
	return 0, e.writeJSON(o.json, imageDocument(o, list, im, archive, file))
}

// series returns how many boots there are to be. One is enough for all but samples, of
// which a boot is the unit, and for a program of the user's.
func (o *buildOptions) series() int {
	_, args, _ := strings.Cut(" "+o.words+" ", " -- ")
	if o.boots == 0 && o.init == "" && image.Format(o.format) != image.ELF && slices.Contains(strings.Fields(args), "sample") {
		return sampledBoots
	}
	return max(o.boots, 1)
}

// sampledBoots is how many boots a stick takes that samples.
const sampledBoots = 8

// errNotRunnable refuses what the kernel would refuse at boot.
var errNotRunnable = fmt.Errorf("no variant to run init on: %s answers the null call only; add another", wire.Floor)

// runsInit reports whether a program can run on the variant.
func runsInit(n stubs.Variant) bool { return !n.Axes.Bare }

func joinNames(list []stubs.Variant) string {
	names := make([]string, len(list))
	for i, n := range list {
		names[i] = n.Name
	}
	return strings.Join(names, ",")
}

// bootOptions are the flags of boot.
type bootOptions struct {
	machineFlags
	variant, words, init, json string
	unproved                   bool
}

func (e *env) bootCommand() *cli.Command {
	var o bootOptions
	flagsEnd := 1
	return e.command(&cli.Command{
		Name:      "boot",
		Usage:     "run a static program as /init on a generated kernel",
		ArgsUsage: "[-- ARGS]",
		Description: `Init's output goes to standard output, the kernel's messages to standard error.
The first word that is not a flag and everything after it are init's arguments;
put "--" before them if the first begins with a dash.

Examples:

    entrylab boot -init ./prog -- -x 1
    entrylab boot -init /bin/busybox -- sh -c 'echo $0'
    entrylab boot -variant linux-4.1 -engine tcg -v -init ./prog`,
		StopOnNthArg: &flagsEnd,
		Flags: append(o.flags(booting(engine.All())),
			&chosen{&cli.StringFlag{Name: "variant", Usage: "`VARIANT` of the entry path", Value: "linux-3.19", Destination: &o.variant}, variants},
			&cli.StringFlag{Name: "append", Usage: "`WORDS` for the kernel's command line; the kernel passes those that it does not know to init", Destination: &o.words},
			initFlag(&o.init),
			unprovedFlag(&o.unproved),
			jsonFlag(&o.json, "how the machine ended"),
		),
	}, func(ctx context.Context, args []string) (int, error) { return e.runBoot(ctx, &o, args) })
}

func (e *env) runBoot(ctx context.Context, o *bootOptions, args []string) (int, error) {
	if err := checkJSON(o.json, "", o.init); err != nil {
		return 0, err
	}
	n, err := variantOf(ctx, o.variant)
	if err != nil {
		return 0, err
	}
	said, err := refuseUnproved([]stubs.Variant{n}, o.unproved)
	if err != nil {
		return 0, err
	}
	said.head(e.stderr) // stdout is init's
	if !runsInit(n) {
		return 0, errNotRunnable
	}
	machine, err := o.config(ctx, e)
	if err != nil {
		return 0, err
	}
	p := e.progress()
	defer p.done()
	machine.Append = o.words
	machine.Console, machine.Log = e.stdout, e.stderr
	config := boot.Config{Variants: []stubs.Variant{n}, Init: o.init, Args: args, VM: machine, Progress: p.step}
	prepared, err := boot.Prepare(ctx, config)
	if err != nil {
		return 0, err
	}
	p.done()
	if o.verbose {
		if err := printCommandLine(e.stderr, prepared); err != nil {
			return 0, err
		}
	}
	res, err := vm.Run(ctx, prepared)
	if err != nil {
		return 0, err
	}
	if err := e.writeJSON(o.json, endDocument(ctx, o, n, machine, res)); err != nil {
		return 0, err
	}
	return bootStatus(res)
}

// verifyOptions are the flags of verify.
type verifyOptions struct {
	machineFlags
	variants, format string
	unproved, events bool
	said             proofs
}

// document returns what verify prints, with what stands above all else.
func (o *verifyOptions) document(ctx context.Context, m vm.Config) *table.Document {
	d := machineDocument(ctx, "entrylab verify", m)
	c := d.Config
	for _, line := range o.said.lines() {
		d.Add(table.Line("%s", line))
	}
	d.Add(table.Line("engine %s, machine %s, CPU %s, %s%s", c.Engine, c.Machine, c.CPU, c.Emulator, hostCPU(engine.Of(c.Engine))))
	return d
}

func (e *env) verifyCommand() *cli.Command {
	var o verifyOptions
	c := &cli.Command{
		Name:  "verify",
		Usage: "check registers, frames, threads and signals",
		Description: `A program in ring 3 fills every register with a pattern, and compares all of
them, and each slot of the frame, over calls that return, fail, block and are
preempted. All variants are in one kernel. Engine host boots nothing: it makes
the checks on the kernel and the hypervisor that run here. A difference from the
architecture is then a finding about these.

-events raises events instead: an NMI, an NMI inside another, a machine check,
breakpoints on code and on data, and an interrupt, one at a time, at every
instruction of the paths through the kernel: calls, thread switches, signals and
their return, new threads, exceptions, interrupts, and NMIs and machine checks
themselves. After each, everything must be as if it had not come. With engine
icount QEMU's debugger raises the events. On other engines, and in Bochs for
variants whose features QEMU's CPU lacks, the guest does so by the debug
registers.

Examples:

    entrylab verify
    entrylab verify -events -variants linux-6.12
    entrylab verify -variants linux-3.19,linux-4.1 -engine tcg
    entrylab verify -engine host`,
		Flags: append(o.flags(append(booting(engine.All()), engine.Verifying()...)), variantsFlag(&o.variants), unprovedFlag(&o.unproved),
			formatFlag(&o.format, table.Plain...),
			&cli.BoolFlag{Name: "events", Usage: "raise every kind of event at every instruction", Destination: &o.events}),
	}
	return e.command(c, func(ctx context.Context, args []string) (int, error) {
		if err := noArgument(args); err != nil {
			return 0, err
		}
		if en, ok := engine.Find(o.engine); ok && en.Verify != nil {
			return e.verifyHost(ctx, en, &o, c.FlagNames())
		}
		return e.runVerify(ctx, &o)
	})
}

func (e *env) runVerify(ctx context.Context, o *verifyOptions) (int, error) {
	list, err := parseVariants(ctx, o.variants)
	if err != nil {
		return 0, err
	}
	if o.said, err = refuseUnproved(list, o.unproved); err != nil {
		return 0, err
	}
	if !slices.ContainsFunc(list, runsInit) {
		return 0, errNotRunnable
	}
	if o.events {
		return e.verifyEvents(ctx, o, list)
	}
	machine, err := o.config(ctx, e)
	if err != nil {
		return 0, err
	}
	run, err := e.runGuest(ctx, machine, list, wire.Command{Verify: true}.Words()...)
	if err != nil {
		return 0, err
	}
	if o.verbose {
		fmt.Fprintln(e.stderr, run.VM.CommandLine)
	}
	d := o.document(ctx, machine)
	counts := &table.Table{Name: "variants", Head: []string{"variant", "pass", "fail", "skip", "error"}}
	for _, n := range list {
		counts.Add(n.Name, run.Count(n.Name, wire.Pass), run.Count(n.Name, wire.Fail), run.Count(n.Name, wire.Skip), run.Count(n.Name, wire.Error))
	}
	d.Add(table.Block{Table: counts})
	status := verdict(d, run.Checks)
	return status, e.print(d, o.format)
}

// verdict adds the checks that are not PASS and returns the exit status.
func verdict(d *table.Document, checks []wire.Check) int {
	for _, c := range checks {
		if c.Outcome != wire.Pass {
			d.Add(table.Line("%s: %s (%s)", c.Outcome, c.Name, c.Detail))
		}
	}
	return checksStatus(checks)
}

// checksStatus returns the exit status of checks: one for what is wrong with a variant,
// another for what is wrong with the harness.
func checksStatus(checks []wire.Check) int {
	status := 0
	for _, c := range checks {
		switch c.Outcome {
		case wire.Fail:
			status = max(status, exitFail)
		case wire.Error:
			status = max(status, exitError)
		}
	}
	return status
}

// runGuest boots the guest with all variants in one kernel and shows each of its
// lines as progress.
func (e *env) runGuest(ctx context.Context, machine vm.Config, list []stubs.Variant, words ...string) (*boot.Run, error) {
	p := e.progress()
	defer p.done()
	config := boot.Config{Variants: list, Args: words, VM: machine, Progress: p.step}
	run, err := boot.RunGuest(ctx, config, p.step)
	if err != nil && run != nil {
		return nil, fmt.Errorf("%w\n%s", err, run.VM.Report())
	}
	return run, err
}

// hostCPU names the CPU that an engine runs on, where that has a part in what it finds.
func hostCPU(en engine.Engine) string {
	if en.Emulated {
		return ""
	}
	model, _ := host.Model()
	return ", on " + model
}
