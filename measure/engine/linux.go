package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/linux"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/cache"
	"github.com/entrylab/entrylab/measure/trace"
)

// linuxMemory is the memory that a distribution's kernel needs, in MiB.
const linuxMemory = 512

// linuxName is the beginning of the names of Linux kernels.
const linuxName = "Linux "

// IsLinux reports whether a name in figures is that of a Linux kernel, and not a variant's.
func IsLinux(name string) bool { return strings.HasPrefix(name, linuxName) }

// Linux is a Linux kernel that is measured with the same guest as /init, on the same
// machine as the generated kernels.
type Linux struct {
	image       *linux.Image
	words, name string
}

// NewLinux returns the kernel in an image file, with further words for its command line,
// which become a part of the name that its figures carry.
func NewLinux(ctx context.Context, path, words string) (*Linux, error) {
	image, err := linux.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	name := strings.Join(append([]string{linuxName + image.Release}, strings.Fields(words)...), ", ")
	return &Linux{image, words, name}, nil
}

// NameApart gives kernels of one name, such as builds of one release, the names of their
// files too.
func NameApart(kernels []*Linux) error {
	named := map[string][]*Linux{}
	for _, l := range kernels {
		named[l.name] = append(named[l.name], l)
	}
	seen := map[string]bool{}
	for _, same := range named {
		for _, l := range same {
			if len(same) > 1 {
				l.name += " (" + filepath.Base(l.image.Path) + ")"
			}
			if seen[l.name] {
				return fmt.Errorf("%s is named twice: give two kernels whose release, words or file's name differ", l.name)
			}
			seen[l.name] = true
		}
	}
	return nil
}

// rename gives what the guest calls linux the kernel's name, and takes out what is not
// about the kernel: that a call was traced.
func (l *Linux) rename(r *wire.Results) {
	for i, m := range r.Measures {
		if m.Variant == wire.Linux {
			r.Measures[i].Variant = l.name
		}
	}
	r.Checks = slices.DeleteFunc(r.Checks, func(c wire.Check) bool { return c.Variant() == wire.CheckTrace })
	for i, c := range r.Checks {
		if rest, ok := strings.CutPrefix(c.Name, wire.Linux+": "); ok {
			r.Checks[i].Name = l.name + ": " + rest
		}
	}
}

// Name returns the name that the kernel's figures carry.
func (l *Linux) Name() string { return l.name }

// Machine returns the machine whose guest does that under the kernel.
func (l *Linux) Machine(ctx context.Context, m vm.Config, do wire.Command) (vm.Config, error) {
	archive, err := boot.Initramfs(ctx, "")
	if err != nil {
		return m, err
	}
	m.Kernel, m.MemoryMiB = l.image.Path, max(m.MemoryMiB, linuxMemory)
	if m.Initrd, err = cache.Keep("initramfs", ".cpio", archive); err != nil {
		return m, err
	}
	m.Append = linux.CommandLine(l.words) + " -- " + strings.Join(do.Words(), " ")
	sum, err := l.image.Hash(ctx, archive)
	if err != nil {
		return m, err
	}
	m.Code = sum[:16]
	return m, nil
}

// BootError is the error of a kernel that did not come to the end of its init.
type BootError struct {
	Kernel string
	// Machine and CPU are what it was to boot on.
	Machine vm.Machine
	CPU     string
	// Why says what it lacks, or what happened. Everywhere is set if it would be so on
	// every machine.
	Why        string
	Everywhere bool
}

func (e *BootError) Error() string {
	return fmt.Sprintf("%s does not come to the end of its init on machine %s with CPU %s: %s", e.Kernel, e.Machine, e.CPU, e.Why)
}

// Why makes the error of a kernel's run one that says what the kernel lacks, if it did
// not come to the end of its init.
func (l *Linux) Why(ctx context.Context, m vm.Config, run *boot.Run, err error) error {
	if _, begun := errors.AsType[*trace.CallError](err); begun {
		return err
	}
	if ctx.Err() != nil || run == nil || run.Complete || run.Count("", wire.Pass)+len(run.Measures) > 0 {
		return err // the guest had begun
	}
	why, everywhere := l.image.Lacks(ctx, strings.Join(run.VM.Tail, "\n"))
	if why == "" {
		why = err.Error()
	}
	return &BootError{l.name, cmp.Or(m.Machine, vm.MicroVM), cmp.Or(m.CPU, vm.DefaultCPU), why, everywhere}
}
