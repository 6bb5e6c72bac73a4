// Package control makes the control calls of the generated kernel (package layout):
// it lists the variants in the image, selects one, and reads the kernel's counts. A
// kernel without control calls is taken for Linux.
//
// Packages verify and measure both work through it.
package control

import (
	"fmt"
	"strings"
	"syscall"
	"unsafe"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/guest/lines"
	"github.com/entrylab/entrylab/guest/regs"
)

// Variant is one of the entry paths that the kernel carries.
type Variant struct {
	// Index is the number to select it by; -1 on Linux, which has just one.
	Index int
	// Name is the preset's name, Axes its axes.
	Name, Axes string
	// Info is what the variant promises; zero on Linux.
	Info layout.VariantInfo[layout.Word]
	// Lacks is the set of features that the variant needs and this CPU lacks. If it
	// is not empty, the variant cannot be selected.
	Lacks layout.Features
}

// Kernel is the kernel that the program runs on.
type Kernel struct {
	// Linux is set if there is no control interface.
	Linux bool
	// Has are the CPU's features that the kernel knows; none on Linux.
	Has layout.Features
	// Variants are all that the kernel carries, in its order.
	Variants []Variant
	// Home is the index of the variant to run ordinary code under: the first
	// that answers every call and that the CPU can run.
	Home int
}

// linuxVariant is the single entry path of a Linux kernel.
var linuxVariant = Variant{Index: -1, Name: wire.Linux}

// Open asks the kernel what it is.
func Open() (*Kernel, error) {
	k := &Kernel{Home: -1}
	for i := 0; ; i++ {
		v := Variant{Index: i}
		_, _, errno := syscall.RawSyscall(layout.SysInfo, uintptr(i), uintptr(unsafe.Pointer(&v.Info)), 0)
		if errno == syscall.ENOSYS && i == 0 {
			k.Linux = true
			k.Variants = []Variant{linuxVariant}
			return k, nil
		}
		if errno == syscall.EINVAL {
			break
		}
		if errno != 0 {
			return nil, fmt.Errorf("the kernel does not describe variant %d: %w", i, errno)
		}
		if i == 0 {
			stats, err := k.Stats()
			if err != nil {
				return nil, err
			}
			k.Has = layout.Features(stats.Features)
		}
		v.Name, v.Axes = text(v.Info.Name[:]), text(v.Info.Axes[:])
		v.Lacks = layout.Features(v.Info.Needs) &^ k.Has
		if k.Home < 0 && v.Info.Bare == 0 && v.Lacks == 0 {
			k.Home = i
		}
		k.Variants = append(k.Variants, v)
	}
	if k.Home < 0 {
		return nil, fmt.Errorf("the kernel carries no variant that answers every call and that this CPU can run (it has %d)", len(k.Variants))
	}
	return k, nil
}

// Refused returns nil for a variant that this CPU can run. For another it tries to
// select it: the result is a lines.Skip if the kernel refuses, and an error if it
// does not.
func (k *Kernel) Refused(v Variant) error {
	if v.Lacks == 0 {
		return nil
	}
	if r := regs.Control(layout.SysSelect, uintptr(v.Index), 0); r != -int64(syscall.ENODEV) {
		return fmt.Errorf("the CPU has no %v, but the kernel answers the selection with %d, want -ENODEV", v.Lacks, r)
	}
	return lines.Skip(fmt.Sprintf("the CPU has no %v", v.Lacks))
}

// text returns the string in zero-padded words.
func text(words []layout.Word) string {
	b := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), 8*len(words))
	s, _, _ := strings.Cut(string(b), "\x00")
	return s
}

// Find returns the variants of the given names, or all of them for nil.
func (k *Kernel) Find(names []string) ([]Variant, error) {
	if names == nil {
		return k.Variants, nil
	}
	var found []Variant
next:
	for _, name := range names {
		for _, v := range k.Variants {
			if v.Name == name {
				found = append(found, v)
				continue next
			}
		}
		return nil, fmt.Errorf("no such variant: %q; the kernel has %s", name, k.names())
	}
	return found, nil
}

func (k *Kernel) names() string {
	names := make([]string, len(k.Variants))
	for i, v := range k.Variants {
		names[i] = v.Name
	}
	return strings.Join(names, ", ")
}

// Select makes variant index the entry path of all threads. It works under
// every variant, and does nothing on Linux.
func (k *Kernel) Select(index int) error {
	if k.Linux {
		return nil
	}
	if r := regs.Control(layout.SysSelect, uintptr(index), 0); r < 0 {
		return fmt.Errorf("select of variant %d: %w", index, syscall.Errno(-r))
	}
	return nil
}

// Stats returns the kernel's counts since boot.
func (k *Kernel) Stats() (layout.Stats[layout.Word], error) { return regs.Stats() }

// BootSeries returns where in its series this boot is, and what earlier boots have said.
func (k *Kernel) BootSeries() (series layout.BootSeries[layout.Word], earlier []byte, err error) {
	for i := range 2 { // the first call tells how much there is
		if i == 1 {
			earlier = make([]byte, min(int(series.EarlierLen), layout.AnswerRoom))
		}
		_, _, errno := syscall.RawSyscall(layout.SysBootSeries, uintptr(unsafe.Pointer(&series)), uintptr(unsafe.Pointer(unsafe.SliceData(earlier))), uintptr(len(earlier)))
		if errno != 0 {
			return series, nil, fmt.Errorf("the kernel does not tell of earlier boots: %w", errno)
		}
	}
	return series, earlier, nil
}

// ScreenBits shows a square of modules on a screen of pixels: a byte for each, 1 for black. Of
// size 0, it shows the characters again.
func (k *Kernel) ScreenBits(modules []byte, size int) error {
	_, _, errno := syscall.RawSyscall(layout.SysScreenBits, uintptr(unsafe.Pointer(unsafe.SliceData(modules))), uintptr(size), 0)
	if errno != 0 {
		return errno
	}
	return nil
}
