// Package boot runs variants on a machine, in one call for the command and for the
// tests: it generates the kernel, packs the init program, boots both and reads the
// guest's lines.
package boot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/boot/initramfs"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/cache"
	"github.com/entrylab/entrylab/stubs"
)

// Config is an experiment.
type Config struct {
	// Variants are the variants that the kernel carries.
	Variants []stubs.Variant
	// Boot is the name of the variant selected from the start; empty: the
	// first that is not bare.
	Boot string
	// Init is the path of a static linux/amd64 program; empty: the guest that
	// verifies and measures.
	Init string
	// Args are init's arguments.
	Args []string
	// VM is the machine. Prepare fills in Kernel and Initrd, or Disk, and Code, and puts
	// Append before Args.
	VM vm.Config
	// Image, if not nil, is the kernel of an ELF file, which Prepare then does not
	// generate: the one of an earlier Prepare with the same variants and placement.
	Image *image.Image
	// Placement is image.Config's.
	Placement uint64
	// Files are further files of the initramfs.
	Files []initramfs.File
	// Format is what the machine boots; empty: an ELF file and an initramfs beside it.
	// Bochs always boots image.BIOS.
	Format image.Format
	// Progress, if not nil, is called with each step as it begins.
	Progress func(step string)
}

func (c *Config) step(format string, args ...any) {
	if c.Progress != nil {
		c.Progress(fmt.Sprintf(format, args...))
	}
}

// Prepare generates the kernel and the initramfs and returns the machine that
// boots them. The files are in a cache folder under names made of their
// content, so that a command line printed today still works tomorrow.
func Prepare(ctx context.Context, c Config) (vm.Config, error) {
	m := c.VM
	if m.Engine == vm.Bochs {
		c.Format = image.BIOS
	}
	if c.Format != "" && c.Format != image.ELF {
		return prepareFile(ctx, c)
	}
	if c.Init == "" {
		go initramfs.Guest() // it is decompressed while the kernel is generated
	}
	kernel, err := Kernel(c)
	if err != nil {
		return m, err
	}
	if m.Kernel, err = cache.Keep("kernel", ".elf", kernel.ELF); err != nil {
		return m, err
	}
	archive, err := Initramfs(ctx, c.Init, c.Files...)
	if err != nil {
		return m, err
	}
	if m.Initrd, err = cache.Keep("initramfs", ".cpio", archive); err != nil {
		return m, err
	}
	if err := enoughMemory(m.MemoryMiB, len(archive)); err != nil {
		return m, err
	}
	m.Code = kernel.Hash(archive)
	m.Append, err = commandLine(c)
	return m, err
}

// Kernel generates the kernel that Prepare would generate, to be given to it again and
// again as Config.Image.
func Kernel(c Config) (*image.Image, error) {
	if c.Image != nil {
		return c.Image, nil
	}
	c.step("generating the kernel with %d variants", len(c.Variants))
	kernel, err := image.Build(image.Config{Variants: c.Variants, Placement: c.Placement})
	if err != nil {
		return nil, fmt.Errorf("generating the kernel: %w", err)
	}
	return kernel, nil
}

// kernelSpan is the end of the RAM that a kernel may take (package image).
const kernelSpan = 2 << 20

// enoughMemory reports RAM that is too small for a loader to put kernel and
// initramfs in: it would put one over the other, and no kernel would be left to say
// so.
func enoughMemory(mib, archive int) error {
	if mib == 0 {
		mib = vm.DefaultMemoryMiB
	}
	if need := (kernelSpan + archive + 1<<20 - 1) >> 20; mib < need {
		return fmt.Errorf("%d MiB of memory are too little: kernel and initramfs alone take %d MiB; give 32 MiB more than that", mib, need)
	}
	return nil
}

// bochsWord tells the guest, as a variable of its environment, that it runs in
// Bochs, where some of what it expects is different.
const bochsWord = wire.EngineVariable + "=" + wire.EngineBochs

// prepareFile works like Prepare, but for a machine that boots one file with all in it.
func prepareFile(ctx context.Context, c Config) (vm.Config, error) {
	m := c.VM
	if m.Engine == vm.Bochs {
		c.VM.Append = strings.TrimSpace(layout.PrinterWord + " " + bochsWord + " " + c.VM.Append) // before a "--"
	}
	words, err := commandLine(c)
	if err != nil {
		return m, err
	}
	archive, err := Initramfs(ctx, c.Init, c.Files...)
	if err != nil {
		return m, err
	}
	c.step("generating the kernel with %d variants", len(c.Variants))
	config := image.Config{Variants: c.Variants, Placement: c.Placement, Initramfs: archive}
	if c.Format == image.Disk || c.Format == image.ISO {
		config.Cmdline = words
	}
	im, err := image.Build(config)
	if err != nil {
		return m, fmt.Errorf("generating the kernel: %w", err)
	}
	file, err := im.File(c.Format, words, nil)
	if err != nil {
		return m, err
	}
	m.Code = fmt.Sprintf("%x", sha256.Sum256(file))[:16]
	if c.Format == image.EFI {
		m.Append = words
		m.Kernel, err = cache.Keep("kernel", ".efi", file)
		return m, err
	}
	m.Append = ""
	m.Disk, err = cache.Keep("disk", ".img", file)
	return m, err
}

// OwnWords returns the words of the kernel's command line that init asks for: for a
// program, its path, which is its argv[0] as it was given; for the guest, an empty
// path, the word for the control calls, without which it can do nothing.
func OwnWords(init string) (string, error) {
	if init == "" {
		return layout.ControlWord, nil
	}
	return quoted(layout.Argv0Param + init)
}

// quoted returns a word as the kernel's command line carries it.
func quoted(word string) (string, error) {
	if strings.ContainsAny(word, "\"\n") {
		return "", fmt.Errorf("init argument %q: the kernel's command line cannot carry quotes and line breaks", word)
	}
	if word == "" || strings.ContainsAny(word, " \t\v\f\r") {
		return `"` + word + `"`, nil
	}
	return word, nil
}

// commandLine returns the kernel's command line: init's own words, the variant to boot
// with, what the caller gave, which may have a "--" in it, and after "--" init's
// arguments.
func commandLine(c Config) (string, error) {
	own, err := OwnWords(c.Init)
	if err != nil {
		return "", err
	}
	words := []string{own}
	if c.Boot != "" {
		words = append(words, "variant="+c.Boot)
	}
	if c.VM.Append != "" {
		words = append(words, c.VM.Append)
	}
	if len(c.Args) > 0 {
		words = append(words, "--")
		for _, a := range c.Args {
			word, err := quoted(a)
			if err != nil {
				return "", err
			}
			words = append(words, word)
		}
	}
	return strings.Join(words, " "), nil
}

// Initramfs returns the archive with the program at path, or with the guest and what it
// executes if path is empty, and with further files.
func Initramfs(ctx context.Context, path string, files ...initramfs.File) ([]byte, error) {
	if path == "" {
		program, err := smallProgram(ending)
		if err != nil {
			return nil, err
		}
		return withInit(initramfs.Guest, append(files, initramfs.File{Name: wire.EndingProgram, Mode: 0o755, Data: program}))
	}
	return withInit(func() ([]byte, error) { return initramfs.ReadInit(ctx, path) }, files)
}

// withInit returns the archive of a program and further files.
func withInit(program func() ([]byte, error), files []initramfs.File) ([]byte, error) {
	init, err := program()
	if err != nil {
		return nil, err
	}
	return initramfs.Build(append([]initramfs.File{initramfs.Init(init)}, files...)...)
}

func engineName(e vm.Engine) vm.Engine {
	if e == "" {
		return vm.ICount
	}
	return e
}

// Run is a finished experiment of the guest.
type Run struct {
	*wire.Results
	VM vm.Result
}

// ErrNoVerdict means that the machine ended before it had all results of the guest.
var ErrNoVerdict = errors.New("no verdict")

// RunGuest boots the guest with the given words and returns its results. If
// the guest did not reach its summary the error wraps ErrNoVerdict, and the
// Run holds what there is. onLine, if not nil, is called with each line of the
// console as it comes.
func RunGuest(ctx context.Context, c Config, onLine func(string)) (*Run, error) {
	m, err := Prepare(ctx, c)
	if err != nil {
		return nil, err
	}
	c.step("booting on %s", engineName(m.Engine))
	return RunPrepared(ctx, m, onLine)
}

// RunPrepared works like RunGuest, but with a machine that Prepare returned.
func RunPrepared(ctx context.Context, m vm.Config, onLine func(string)) (*Run, error) {
	var console bytes.Buffer
	m.Console = &console
	if onLine != nil {
		m.Console = io.MultiWriter(&console, &lineWriter{fn: onLine})
	}
	res, err := vm.Run(ctx, m)
	if err != nil {
		return nil, err
	}
	return verdict(console.String(), res)
}

// verdict reads the guest's lines, and compares them with how its machine
// ended.
func verdict(console string, res vm.Result) (*Run, error) {
	run := &Run{VM: res}
	var err error
	if run.Results, err = wire.Parse(console); err != nil {
		run.Results = &wire.Results{}
		return run, fmt.Errorf("%w: %w", ErrNoVerdict, err)
	}
	if res.Outcome != vm.Exited {
		return run, fmt.Errorf("%w: %v", ErrNoVerdict, res)
	}
	if !run.Complete {
		return run, fmt.Errorf("%w: init exited with status %d before its summary", ErrNoVerdict, res.Status)
	}
	if bad := run.Count("", wire.Fail) + run.Count("", wire.Error); (bad == 0) != (res.Status == 0) {
		return run, fmt.Errorf("%w: init exited with status %d, but its lines have %d failures", ErrNoVerdict, res.Status, bad)
	}
	return run, nil
}

// lineWriter calls fn with each whole line.
type lineWriter struct {
	fn   func(string)
	rest []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		i := bytes.IndexByte(w.rest, '\n')
		if i < 0 {
			return len(p), nil
		}
		w.fn(strings.TrimSuffix(string(w.rest[:i]), "\r"))
		w.rest = w.rest[i+1:]
	}
}
