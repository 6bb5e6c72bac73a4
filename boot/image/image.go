// Package image generates a bootable kernel: it gathers the listings of the boot
// protocols, the kernel's body and the chosen entry variants, links them and
// writes the image.
package image

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/boot/elfimg"
	"github.com/entrylab/entrylab/boot/proto"
	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/kernel"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// loadAddr is the physical address of the image: the end of the first MiB,
// where PVH loaders expect a kernel.
const loadAddr = 1 << 20

// initramfsAddr is the physical address of an image's own initramfs: above the
// 2 MiB that are mapped for the kernel.
const initramfsAddr = 2 << 20

// Config says what to generate.
type Config struct {
	// Variants are the entry paths that the image carries, selectable while it
	// runs; the first that is not bare is selected at boot.
	Variants []stubs.Variant
	// Initramfs, if not nil, is a newc archive that becomes a part of the
	// image; the kernel uses it if the loader hands over no other.
	Initramfs []byte
	// Cmdline holds the first words of the kernel's command line: those that an image
	// which boots without a loader needs. Words after a "--" are
	// init's arguments, unless the loader's line has its own "--".
	Cmdline string
	// Placement, if not 0, seeds the choice of gaps between the functions of the
	// variants: some code costs a cycle more at some addresses, and measuring many
	// placements averages that out.
	Placement uint64
	// Boots is how often a machine boots the image from a stick or a disk before it
	// stops, MaxBoots at most; 0 is 1. Each boot uses another copy of the variants, at other
	// addresses, as far as there is room for copies, and if no variant has an Edit.
	Boots int
}

// maxCopies is the most copies of the variants in an image.
const maxCopies = 8

// MaxBoots is the most boots that an image can ask for.
const MaxBoots = 999

// maxGap is the largest gap between two functions: 16 lines of the cache.
const maxGap = 1024

// place gives functions gaps.
func place(fns []asm.Func, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	for i := range fns {
		fns[i].Gap = rng.IntN(maxGap)
	}
}

// entries returns the functions of the variants with as many copies.
func (c *Config) entries(copies int) (asm.Program, error) {
	p, err := stubs.ProgramOfCopies(c.Variants, copies)
	if err != nil {
		return p, err
	}
	if c.Placement != 0 || copies > 1 {
		place(p.Funcs, c.Placement) // the copies lie one after the other, and so differ
	}
	return p, nil
}

// name fills in kernel_build, which shows whether the results of a machine that ran
// without a host are from the same code.
func name(obj *asm.Object, archive []byte) error {
	addr, ok := obj.Addr("kernel_build")
	if !ok {
		return errors.New("image: the program has no kernel_build")
	}
	sum := sha256.New()
	for _, s := range obj.Sections {
		sum.Write(s.Bytes)
	}
	sum.Write(archive)
	for _, s := range obj.Sections {
		if off := addr - s.Addr; off < uint64(len(s.Bytes)) {
			copy(s.Bytes[off:], sum.Sum(nil)[:8])
		}
	}
	return nil
}

// Image is a generated kernel.
type Image struct {
	// Object is the linked kernel: listings, symbols, lines.
	Object *asm.Object
	// ELF is the file's content: an ELF64 with a PVH note.
	ELF []byte
	// Size is the size of text and data in bytes, without the bss.
	Size int

	initramfs []byte
	boots     int
}

// Hash names what runs: the image's file together with the files that are booted, or
// run, with it. Two figures are of the same code only if their hashes are equal.
func (im *Image) Hash(beside ...[]byte) string {
	sum := sha256.New()
	sum.Write(im.ELF)
	for _, b := range beside {
		sum.Write(b)
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:8])
}

// Build generates a kernel. The errors of all listings are reported together.
func Build(c Config) (*Image, error) {
	go kernel.Body() // it takes the longest, and the others do not need it
	copies := min(max(c.Boots, 1), maxCopies)
	if slices.ContainsFunc(c.Variants, func(n stubs.Variant) bool { return n.Edit != nil }) {
		copies = 1
	}
	for ; ; copies /= 2 {
		obj, err := c.link(copies)
		if err != nil {
			return nil, err
		}
		im, err := image(obj, c.Initramfs)
		if err == nil {
			im.boots = c.Boots
		}
		if errors.Is(err, errTooLarge) && copies > 1 {
			continue
		}
		return im, err
	}
}

// link links the kernel with so many copies of the variants.
func (c *Config) link(copies int) (*asm.Object, error) {
	var p asm.Program
	p.Add(proto.Linux()) // first, as its protocol demands
	p.Add(proto.EFI())
	p.Add(proto.Answers())
	p.Add(proto.Boots())
	p.Add(proto.Screens())
	p.Add(proto.PVH())
	p.Add(proto.BIOS())
	p.Add(proto.LongMode())
	p.Add(kernel.Body())
	entries, err := c.entries(copies)
	if err != nil {
		return nil, err
	}
	p.Add(entries)
	p.Data = append(p.Data, asm.RODATA("builtin_initramfs", uint64(initramfsAddr), uint64(len(c.Initramfs)), uint64(proto.Sum(c.Initramfs))))
	if len(c.Cmdline) >= layout.CmdlineMax {
		return nil, fmt.Errorf("the image's own words for the command line have %d bytes, want less than %d", len(c.Cmdline), layout.CmdlineMax)
	}
	words, args, _ := strings.Cut(" "+c.Cmdline+" ", " -- ")
	p.Data = append(p.Data, asm.RODATA("builtin_cmdline", strings.TrimSpace(words), uint8(0)))
	p.Data = append(p.Data, asm.DATA("builtin_args", strings.TrimSpace(args), uint8(0))) // split in place
	p.Data = append(p.Data, asm.RODATA("answer_boots", uint64(max(c.Boots, 1))), asm.RODATA("kernel_build", uint64(0)), asm.RODATA("kernel_sum", uint64(0)))
	obj, err := asm.Link(p, layout.KernelBase+loadAddr, layout.KernelBase)
	if err != nil {
		return nil, err
	}
	if err := name(obj, c.Initramfs); err != nil {
		return nil, err
	}
	return obj, sumZero(obj)
}

// sumZero gives the kernel the sum 0 by its word kernel_sum (proto.SumZero).
func sumZero(obj *asm.Object) error {
	addr, ok := obj.Addr("kernel_sum")
	end, _ := obj.Addr("__kernel_end")
	if !ok {
		return errors.New("image: the program has no kernel_sum")
	}
	start := obj.Sections[0].Addr
	memory := make([]byte, end-start)
	for _, s := range obj.Sections {
		copy(memory[s.Addr-start:], s.Bytes)
	}
	proto.SumZero(memory, int(addr-start))
	for _, s := range obj.Sections {
		if off := addr - s.Addr; off < uint64(len(s.Bytes)) {
			copy(s.Bytes[off:][:4], memory[addr-start:])
		}
	}
	return nil
}

// errTooLarge means that the kernel does not fit in front of its initramfs.
var errTooLarge = errors.New("image: the kernel is beyond the 2 MiB that startup_32 maps")

// image writes the linked kernel as an ELF file.
func image(obj *asm.Object, archive []byte) (*Image, error) {
	entry, ok := obj.Addr("pvh_start_xen")
	if !ok {
		return nil, fmt.Errorf("image: the program has no entry point pvh_start_xen")
	}
	if end, _ := obj.Addr("__kernel_end"); end > layout.KernelBase+initramfsAddr {
		return nil, fmt.Errorf("%w: it ends at %#x", errTooLarge, end)
	}
	im := &Image{Object: obj, initramfs: archive}
	file := elfimg.Image{Entry: uint32(entry - layout.KernelBase)}
	for _, s := range obj.Sections {
		im.Size += len(s.Bytes)
		file.Sections = append(file.Sections, elfimg.Section{
			Name: s.Name, Addr: s.Addr, Phys: s.Addr - layout.KernelBase, Data: s.Bytes, Size: s.Size, Exec: s.Exec, Write: s.Write,
		})
	}
	if len(archive) > 0 {
		file.Sections = append(file.Sections, elfimg.Section{
			Name: ".initramfs", Addr: layout.KernelBase + initramfsAddr, Phys: initramfsAddr, Data: archive,
		})
	}
	for _, s := range obj.Symbols {
		file.Symbols = append(file.Symbols, elfimg.Symbol{Name: s.Name, Addr: s.Addr, Size: s.Size, Func: s.Func, Local: s.Local})
		// A debugger also knows the name without the variant, for the functions of all variants.
		if function, _, ok := stubs.CutFuncName(s.Name); ok {
			file.Symbols = append(file.Symbols, elfimg.Symbol{Name: function, Addr: s.Addr, Local: true})
		}
	}
	for _, l := range obj.Lines {
		file.Lines = append(file.Lines, elfimg.Line{Addr: l.Addr, File: l.File, Line: l.Line})
	}
	var err error
	if im.ELF, err = file.Bytes(); err != nil {
		return nil, err
	}
	return im, nil
}
