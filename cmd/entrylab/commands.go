package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/host"
	"github.com/entrylab/entrylab/internal/wholefile"
	"github.com/entrylab/entrylab/stubs"
)

func runVariants(_ context.Context, e *env, args []string) (int, error) {
	fs := e.flags()
	if err := fs.Parse(args); err != nil {
		return 0, err
	}
	if fs.NArg() > 0 {
		return 0, fmt.Errorf("takes no argument, got %q", fs.Arg(0))
	}
	// The texts are long: a block for each preset, that a terminal can wrap.
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	for _, p := range stubs.Presets() {
		fmt.Fprintf(w, "%s\n", p.Name)
		for _, row := range presetRows(p) {
			fmt.Fprintf(w, "  %s\t%s\n", row[0], row[1])
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w, "The axes, the value of Linux 3.19 first:")
	for _, a := range stubs.Axes() {
		fmt.Fprintf(w, "%s: %s\n", a.Name, a.Doc)
		for _, c := range a.Values {
			fmt.Fprintf(w, "  %s\t%s\n", c.Name(), c.Text())
		}
	}
	return 0, w.Flush()
}

// presetRows is what there is to say of a preset.
func presetRows(p stubs.Preset) [][2]string {
	rows := [][2]string{{"release", p.Release}, {"adds", p.Adds}, {"axes", p.Variant.String()}}
	if needs := p.Features(); needs != 0 {
		rows = append(rows, [2]string{"needs", needs.String()})
	}
	return append(rows, [2]string{"source", p.Source})
}

// initFlag is the flag for a program to run.
func initFlag(fs *flag.FlagSet) *string {
	return fs.String("init", "", "static linux/amd64 `program` to run as /init, with this path as its argv[0] (default: the guest that verifies and measures)")
}

func runBuild(ctx context.Context, e *env, args []string) (int, error) {
	fs := e.flags()
	out := fs.String("o", "", "the image's `file`")
	names := fs.String("variants", "all", "presets or axes, separated by commas, or all")
	initPath := initFlag(fs)
	format := fs.String("format", "elf", "`F`: elf, for loaders that know PVH, or disk, for a BIOS to boot from a disk or stick")
	appendArgs := fs.String("append", "", "words for the kernel's command `line`, which a disk image holds")
	unproved := unprovedFlag(fs)
	if err := fs.Parse(args); err != nil {
		return 0, err
	}
	if *out == "" || fs.NArg() > 0 {
		return 0, errors.New("want -o FILE and no further argument")
	}
	switch *format {
	case "disk":
	case "elf":
		if *appendArgs != "" {
			return 0, errors.New("-append is for -format disk; an ELF file gets its command line from its loader")
		}
	default:
		return 0, fmt.Errorf("-format %q: want elf or disk", *format)
	}
	if err := notInput(*out, *initPath); err != nil {
		return 0, err
	}
	list, err := parseVariants(ctx, *names)
	if err != nil {
		return 0, err
	}
	said, err := refuseUnproved(list, *unproved)
	if err != nil {
		return 0, err
	}
	said.head(e.stdout, "text")
	if !slices.ContainsFunc(list, runsInit) {
		return 0, errNotRunnable
	}
	p := newProgress(e.stderr)
	defer p.done()
	archive, err := boot.Initramfs(ctx, *initPath, said.files()...)
	if err != nil {
		return 0, err
	}
	words, err := boot.OwnWords(*initPath)
	if err != nil {
		return 0, err
	}
	image, err := image.Build(image.Config{Variants: list, Initramfs: archive, Cmdline: words})
	if err != nil {
		return 0, err
	}
	file := image.ELF
	if *format == "disk" {
		if file, err = image.Disk(*appendArgs); err != nil {
			return 0, err
		}
	}
	if err := wholefile.Write("image", *out, file); err != nil {
		return 0, err
	}
	p.done()
	fmt.Fprintf(e.stdout, "%s: %d bytes (kernel %d, initramfs %d), variants %s\n", *out, len(file), image.Size, len(archive), joinNames(list))
	return 0, nil
}

// errNotRunnable refuses what the kernel would refuse at boot.
var errNotRunnable = fmt.Errorf("no variant to run init on: %s answers the null call only; add another", wire.Floor)

// runsInit reports whether a program can run on the variant.
func runsInit(n stubs.Named) bool { return !n.Variant.Bare }

func joinNames(list []stubs.Named) string {
	names := make([]string, len(list))
	for i, n := range list {
		names[i] = n.Name
	}
	return strings.Join(names, ",")
}

func runBoot(ctx context.Context, e *env, args []string) (int, error) {
	fs := e.flags()
	var m machineFlags
	m.register(fs)
	variant := fs.String("variant", "linux-3.19", "preset or axes of the entry path")
	appendArgs := fs.String("append", "", "words for the kernel's command `line`; what the kernel does not know goes to init")
	initPath := initFlag(fs)
	unproved := unprovedFlag(fs)
	if err := fs.Parse(args); err != nil {
		return 0, err
	}
	n, err := variantOf(ctx, *variant)
	if err != nil {
		return 0, err
	}
	said, err := refuseUnproved([]stubs.Named{n}, *unproved)
	if err != nil {
		return 0, err
	}
	said.head(e.stderr, "text") // stdout is init's
	if !runsInit(n) {
		return 0, errNotRunnable
	}
	machine, err := m.config(ctx, e)
	if err != nil {
		return 0, err
	}
	p := newProgress(e.stderr)
	defer p.done()
	machine.Append = *appendArgs
	machine.Console, machine.Log = e.stdout, e.stderr
	config := boot.Config{Variants: []stubs.Named{n}, Init: *initPath, Args: fs.Args(), VM: machine, Progress: p.step}
	prepared, err := boot.Prepare(ctx, config)
	if err != nil {
		return 0, err
	}
	p.done()
	if m.verbose {
		if err := printCommandLine(e.stderr, prepared); err != nil {
			return 0, err
		}
	}
	res, err := vm.Run(ctx, prepared)
	if err != nil {
		return 0, err
	}
	return bootStatus(res)
}

func runVerify(ctx context.Context, e *env, args []string) (int, error) {
	fs := e.flags()
	var m machineFlags
	m.register(fs)
	fs.Lookup("engine").Usage += "; or host: no machine, but the kernel and the hypervisor that this runs on"
	names := fs.String("variants", "all", "presets or axes, separated by commas, or all")
	unproved := unprovedFlag(fs)
	if err := fs.Parse(args); err != nil {
		return 0, err
	}
	if fs.NArg() > 0 {
		return 0, fmt.Errorf("takes no argument but flags, got %q", fs.Arg(0))
	}
	if m.engine == engineHost {
		return e.verifyHost(ctx, &m, fs)
	}
	list, err := parseVariants(ctx, *names)
	if err != nil {
		return 0, err
	}
	said, err := refuseUnproved(list, *unproved)
	if err != nil {
		return 0, err
	}
	said.head(e.stdout, "text")
	if !slices.ContainsFunc(list, runsInit) {
		return 0, errNotRunnable
	}
	run, err := e.runGuest(ctx, &m, list, "verify")
	if err != nil {
		return 0, err
	}
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "variant\tpass\tfail\tskip\terror")
	for _, n := range list {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\n", n.Name, run.Count(n.Name, wire.Pass), run.Count(n.Name, wire.Fail),
			run.Count(n.Name, wire.Skip), run.Count(n.Name, wire.Error))
	}
	if err := w.Flush(); err != nil {
		return 0, err
	}
	return verdict(e.stdout, run), nil
}

// verdict prints the checks that are not PASS and returns the exit status.
func verdict(w io.Writer, run *boot.Run) int {
	status := 0
	for _, c := range run.Checks {
		switch c.Outcome {
		case wire.Pass:
			continue
		case wire.Fail:
			status = max(status, exitFail)
		case wire.Error:
			status = max(status, exitError)
		}
		fmt.Fprintf(w, "%s: %s (%s)\n", c.Outcome, c.Name, c.Detail)
	}
	return status
}

// runGuest boots the guest with all variants in one kernel and shows each of
// its lines as progress.
func (e *env) runGuest(ctx context.Context, m *machineFlags, list []stubs.Named, words ...string) (*boot.Run, error) {
	machine, err := m.config(ctx, e)
	if err != nil {
		return nil, err
	}
	p := newProgress(e.stderr)
	defer p.done()
	config := boot.Config{Variants: list, Args: words, VM: machine, Progress: p.step}
	run, err := boot.RunGuest(ctx, config, p.step)
	if err != nil && run != nil {
		return nil, fmt.Errorf("%w\n%s", err, run.VM.Report())
	}
	if err != nil {
		return nil, err
	}
	p.done()
	fmt.Fprintf(e.stdout, "%s\n", describe(ctx, machine))
	if m.verbose {
		fmt.Fprintln(e.stderr, run.VM.CommandLine)
	}
	return run, nil
}

// describe names the engine, the machine and the emulator: they go with every
// figure.
func describe(ctx context.Context, m vm.Config) string {
	emulator, err := vm.Emulator(ctx, m.Engine)
	if err != nil {
		emulator += "of unknown version (" + err.Error() + ")"
	}
	return fmt.Sprintf("engine %s, machine %s, CPU %s, %s%s", m.Engine, m.Machine, m.CPU, emulator, hostCPU(m.Engine))
}

// hostCPU is the CPU behind KVM; under TCG it does not matter.
func hostCPU(engine vm.Engine) string {
	if engine != vm.KVM {
		return ""
	}
	model, _ := host.Model()
	return ", on " + model
}
