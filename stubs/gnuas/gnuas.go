// Package gnuas makes a variant from a SYSCALL entry written for the GNU assembler: the
// installed as assembles it, and package asm links it against the kernel.
//
// # The contract of a file
//
// All code is in .text, and so are its tables; every other section must be empty, but for
// those that are for debuggers. Symbols name the variant's
// functions, whose contracts are in package stubs:
//
//   - entry_SYSCALL_64, which must exist and come first: where SYSCALL arrives.
//   - stub_clone, stub_rt_sigreturn, stub_full_frame, stub_set_frame and
//     stub_poison: the entries of sys_call_table for the handlers that need full
//     pt_regs.
//   - __switch_to_asm: the variant's part of the context switch.
//   - syscall_init: sets the MSRs of SYSCALL.
//   - error_entry, if the base has intgs=cs, and paranoid_entry, if it has
//     paranoid=rdgsbase, with the symbol paranoid_last at its IRETQ: the entries of
//     interrupts and exceptions.
//
// Functions that the file lacks come from its base, the variant that a comment of the
// form "entrylab: base linux-4.1" must name: a preset, one with changes
// (linux-6.12+clear=none), or axes, but with entry=syscall. The base also determines what the variant promises,
// so the file's entry must fill the same slots, in a frame of the same size.
//
// Some bases need more or less. With slow=only (linux-6.12) and in bare there are no
// wrappers, and the file must not have any. With slow=c (linux-4.6) the wrappers
// restart a call that comes from the fast path, so the entry needs two more symbols:
// entry_SYSCALL_64_after_fastpath_call, after the CALL of the handler, and
// entry_SYSCALL64_slow_path, where such a call continues, with RSP at the
// frame and interrupts off.
//
// A symbol that the file does not define is looked up among the base's functions
// first (do_syscall_64, or amd64_syscall and doreti; or int_ret_from_sys_call and, in it,
// int_ret_from_sys_call_irqs_off), then in the kernel: sys_call_table, schedule,
// retint_user, the sys_ handlers.
//
// For a thread with TIFEntryWork the entry goes by the base's tracesys_phase1 and
// tracesys_phase2, or by do_syscall_64 or amd64_syscall. A file that names none of them, and has UD2
// there, is measured without the call that a tracer stops.
//
// Offsets and constants come from the include file entrylab.inc, which is available
// to every file (see [Include]).
package gnuas

import (
	"bytes"
	"cmp"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/internal/bounded"
	"github.com/entrylab/entrylab/internal/cache"
	"github.com/entrylab/entrylab/stubs"
)

// IncludeName is the name of the include file.
const IncludeName = "entrylab.inc"

// replaceable are the functions that a file may define; it must define stubs.Entry.
var replaceable = func() []string {
	names := []string{stubs.Entry, stubs.SwitchTo, stubs.SyscallInit, stubs.ErrorEntry, stubs.ParanoidEntry}
	for _, c := range layout.FullFrameCalls {
		names = append(names, c.Stub())
	}
	return names
}()

// entered are the labels in the entry that the wrappers of slow=c use.
var entered = []string{"entry_SYSCALL_64_after_fastpath_call", "entry_SYSCALL64_slow_path"}

// inner are the labels in the base's functions that a file may jump to.
var inner = map[string]string{
	"int_ret_from_sys_call_irqs_off": "int_ret_from_sys_call", "int_check_syscall_exit_work": "int_ret_from_sys_call",
}

// IsFile reports whether a variant's name is the name of a file: .S, .s and
// .asm are in use for input of GNU as.
func IsFile(name string) bool {
	return slices.Contains([]string{".S", ".s", ".asm"}, filepath.Ext(name))
}

// sourceFile is a .S file, which as reads a second time.
var sourceFile = bounded.Kind{Most: 1 << 20, Regular: true, Advice: "give the file of a stub for the GNU assembler"}

// asLimits are the resources that as may use for a stub, whose file may include another
// one endlessly.
var asLimits = bounded.Limits{Work: time.Minute, Memory: 256 << 20, File: 16 << 20, Output: 64 << 10}

// objectFile is the file that as writes.
var objectFile = bounded.Kind{Most: asLimits.File, Regular: true, Advice: "is the folder of temporary files being changed?"}

var (
	baseComment = regexp.MustCompile(`entrylab:\s*base\s+(\S+)`)
	goodName    = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)
)

// byteOrderMark is what some editors put at the start of a file; as cannot read it.
const byteOrderMark = "\xef\xbb\xbf"

// baseOf returns the variant that a file's comment names.
func baseOf(path string, source []byte) (stubs.Variant, error) {
	at := baseComment.FindAllSubmatchIndex(source, -1)
	line := func(i int) int { return 1 + bytes.Count(source[:at[i][0]], []byte("\n")) }
	switch {
	case len(at) == 0:
		return stubs.Variant{}, fmt.Errorf("%s: no comment names the variant whose conventions the file follows: want one as # entrylab: base linux-4.1", path)
	case len(at) > 1:
		return stubs.Variant{}, fmt.Errorf("%s:%d: a second comment names a base; line %d has named one", path, line(1), line(0))
	}
	base, err := stubs.ParseVariant(string(source[at[0][2]:at[0][3]]))
	if err != nil {
		return stubs.Variant{}, fmt.Errorf("%s:%d: base: %w", path, line(0), err)
	}
	if base.Axes.Is(stubs.EntryFRED) {
		return stubs.Variant{}, fmt.Errorf("%s:%d: base: %s enters by FRED, and a file's entry is where SYSCALL arrives", path, line(0), base.Name)
	}
	return base, nil
}

// Load assembles a file and returns the variant, whose name is the file's
// without folder and extension. If as refuses the file, the error holds its messages,
// with the file's lines.
func Load(ctx context.Context, path string) (stubs.Variant, error) {
	name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	if !goodName.MatchString(name) {
		return stubs.Variant{}, fmt.Errorf("%s: the file's name is the variant's; want letters, digits, _, - and dots between them before %s", path, filepath.Ext(path))
	}
	if stubs.Reserved(name) {
		return stubs.Variant{}, fmt.Errorf("%s: the file's name is the variant's, and %s is a preset's or looks like one's: give it another", path, name)
	}
	source, err := sourceFile.ReadFile(ctx, path)
	if err != nil {
		return stubs.Variant{}, err
	}
	source, marked := bytes.CutPrefix(source, []byte(byteOrderMark))
	if err := checkText(path, source); err != nil {
		return stubs.Variant{}, err
	}
	base, err := baseOf(path, source)
	if err != nil {
		return stubs.Variant{}, err
	}
	if !marked {
		source = nil
	}
	o, err := assemble(ctx, path, source)
	if err != nil {
		return stubs.Variant{}, err
	}
	if err := o.check(base); err != nil {
		return stubs.Variant{}, fmt.Errorf("%s: %w", path, err)
	}
	return stubs.Variant{
		Name:     name,
		Axes:     base.Axes,
		Untraced: !o.traced(),
		Edit: func(p *asm.Program) error {
			o.replace(p, name)
			return nil
		},
	}, nil
}

// cppLine is a directive of the C preprocessor, which as takes for a comment.
var cppLine = regexp.MustCompile(`(?m)^[ \t]*#(include[ \t]*[<"]|define[ \t]+\w|undef[ \t]+\w+[ \t]*$|if(n?def)?[ \t]+\w+[ \t]*$)`)

// checkText refuses text that as would accept, or would not report in terms of the
// file.
func checkText(path string, source []byte) error {
	if at := bytes.IndexByte(source, 0); at >= 0 {
		return fmt.Errorf("%s: this is not text: it has a zero byte at +%#x", path, at)
	}
	if at := cppLine.FindIndex(source); at != nil {
		line := source[at[0]:]
		line, _, _ = bytes.Cut(line, []byte("\n"))
		return fmt.Errorf("%s:%d: %s is for the C preprocessor, which is not run: use as's .include, .set, .ifdef and .macro",
			path, 1+bytes.Count(source[:at[0]], []byte("\n")), bytes.TrimSpace(line))
	}
	return nil
}

// check reports symbols that are missing, and those that nothing would reach.
func (o *object) check(base stubs.Variant) error {
	switch at, ok := o.symbols[stubs.Entry]; {
	case !ok:
		return fmt.Errorf("no symbol %s in .text, where SYSCALL must arrive", stubs.Entry)
	case at != 0:
		return fmt.Errorf("%s is at +%#x of .text; it must come first", stubs.Entry, at)
	}
	if base.Axes.Is(stubs.SlowC) {
		for _, name := range entered {
			if _, ok := o.symbols[name]; !ok {
				return fmt.Errorf("no symbol %s in .text, which the wrappers of %s need in the entry (see go doc ./stubs/gnuas)", name, base.Name)
			}
		}
	}
	if _, ok := o.symbols[stubs.ParanoidEntry]; ok {
		if _, ok := o.symbols[stubs.ParanoidLast]; !ok {
			return fmt.Errorf("no symbol %s in .text, which must be at the IRETQ of %s: the kernel looks for it there", stubs.ParanoidLast, stubs.ParanoidEntry)
		}
	}
	const suffix = "x"
	p, err := base.Axes.Program(suffix)
	if err != nil {
		return err
	}
	for _, name := range replaceable {
		_, defined := o.symbols[name]
		if defined && !slices.ContainsFunc(p.Funcs, func(f asm.Func) bool { return f.Name == stubs.FuncName(name, suffix) }) {
			return fmt.Errorf("nothing would reach %s: %s", name, unreached(name, base.Name))
		}
	}
	return nil
}

// unreached says why nothing reaches a function of a file.
func unreached(name, base string) string {
	switch name {
	case stubs.ErrorEntry:
		return fmt.Sprintf("the entry is the variant's own only with %s", stubs.IntGSCS)
	case stubs.ParanoidEntry:
		return fmt.Sprintf("the entry is the variant's own only with %s", stubs.ParanoidRDGSBASE)
	}
	return base + " has no wrappers"
}

// object is an assembled file.
type object struct {
	path    string
	code    asm.Code
	symbols map[string]int // the symbols in .text, with their offsets
}

// traced reports whether the file's entry, if it has one, goes anywhere for a tracer.
func (o *object) traced() bool {
	if _, ok := o.symbols[stubs.Entry]; !ok {
		return true
	}
	return slices.ContainsFunc(o.code.Relocs, func(r asm.Reloc) bool {
		_, here := o.symbols[r.Sym]
		return !here && slices.Contains(stubs.TracerFuncs, r.Sym)
	})
}

// replace puts the file's code in place of the base's functions.
func (o *object) replace(p *asm.Program, suffix string) {
	own := func(name string) bool {
		_, ok := o.symbols[name]
		return ok && (slices.Contains(replaceable, name) || slices.Contains(entered, name) || name == stubs.ParanoidLast)
	}
	p.Funcs = slices.DeleteFunc(p.Funcs, func(f asm.Func) bool {
		name, _, _ := stubs.CutFuncName(f.Name)
		return own(name)
	})
	text := stubs.FuncName(stubs.Entry, suffix)
	code := o.code
	code.Labels = nil
	for name, off := range o.symbols {
		if own(name) && name != stubs.Entry {
			code.Labels = append(code.Labels, asm.CodeLabel{Name: stubs.FuncName(name, suffix), Off: off})
		}
	}
	slices.SortFunc(code.Labels, func(a, b asm.CodeLabel) int { return a.Off - b.Off })
	code.Relocs = slices.Clone(code.Relocs)
	for i := range code.Relocs {
		r := &code.Relocs[i]
		off, here := o.symbols[r.Sym]
		switch {
		case r.Sym == "" || here:
			r.Sym, r.Add = text, r.Add+int64(off)
		case slices.ContainsFunc(p.Funcs, func(f asm.Func) bool { return f.Name == stubs.FuncName(cmp.Or(inner[r.Sym], r.Sym), suffix) }):
			r.Sym = stubs.FuncName(r.Sym, suffix)
		}
	}
	fn := asm.CODE(text, "from "+filepath.Base(o.path), &code).In("entry")
	fn.CallsPrefixed = len(p.Prefix) > 0
	p.Funcs = append(p.Funcs, fn)
}

// assemble runs as on a file, or on a text in its place, and reads the object file.
func assemble(ctx context.Context, path string, text []byte) (*object, error) {
	as, err := exec.LookPath("as")
	if err != nil {
		return nil, fmt.Errorf("%s: there is no GNU assembler: install binutils", path)
	}
	dir, remove, err := cache.Temp("as")
	if err != nil {
		return nil, err
	}
	defer remove()
	if err := os.WriteFile(filepath.Join(dir, IncludeName), []byte(Include()), 0o644); err != nil {
		return nil, fmt.Errorf("temporary folder: %w", err)
	}
	file := path
	if text != nil {
		file = filepath.Join(dir, filepath.Base(path))
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return nil, fmt.Errorf("temporary folder: %w", err)
		}
	}
	out, listing := filepath.Join(dir, "stub.o"), filepath.Join(dir, "stub.lst")
	// The listing has each instruction in one row: two words hold its 15 bytes.
	if text, err := bounded.Output(ctx, asLimits, as, "--64", "-I", dir, "-I", filepath.Dir(path), "-o", out,
		"-almn="+listing, "--listing-lhs-width=4", "--listing-rhs-width=200", file); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, asError(path, bytes.ReplaceAll(text, []byte(file), []byte(path)), err)
	}
	rows, err := objectFile.ReadFile(ctx, listing)
	if err != nil {
		return nil, err
	}
	o, err := read(path, out, lines(path, rows))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return o, nil
}

// mostSaid is how many lines of as's messages are passed on.
const mostSaid = 20

// outOfLimits matches what as says, or dies of, when it reaches its limits.
var outOfLimits = regexp.MustCompile(`(?i)out of memory|memory exhausted|file too large|signal: |it hangs|` + bounded.ErrTooLong.Error())

// noInclude matches what as says about a file to be included that does not exist.
var noInclude = regexp.MustCompile(`^(.*): (?:Fatal error|Error): can't open (.*) for reading: No such file or directory$`)

// asError returns as's own messages, each line of which names the file and line.
func asError(path string, text []byte, err error) error {
	var said []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasSuffix(line, ": Assembler messages:") {
			said = append(said, noInclude.ReplaceAllString(line, "$1: there is no file $2, which .include names: as looks for it in this file's folder and in the folder that the command runs in; "+IncludeName+" is available to every file"))
		}
	}
	if why := cmp.Or(outOfLimits.FindString(err.Error()), outOfLimits.FindString(string(text))); why != "" {
		return fmt.Errorf("%s: as was ended (%v: %s): it may take a minute, %d MiB of memory and %d MiB of output at most: does the file include or repeat something endlessly?",
			path, err, strings.Join(said[max(len(said)-1, 0):], ""), asLimits.Memory>>20, asLimits.File>>20)
	}
	if len(said) == 0 {
		return fmt.Errorf("%s: as: %w", path, err)
	}
	if more := len(said) - mostSaid; more > 0 {
		said = append(said[:mostSaid], fmt.Sprintf("%s: as has %d more lines of messages", path, more))
	}
	return errors.New(strings.Join(said, "\n"))
}

// read takes code, symbols and relocations from the object file; lines are the
// listing's.
func read(path, file string, lines []asm.CodeLine) (*object, error) {
	f, err := elf.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	o := &object{path: path, symbols: map[string]int{}}
	text := -1
	for i, s := range f.Sections {
		switch {
		case s.Name == ".text":
			text = i
			if o.code.Bytes, err = s.Data(); err != nil {
				return nil, err
			}
			if s.Addralign > layout.PageSize {
				return nil, fmt.Errorf(".text is aligned to %d bytes; want a page, %d, at most", s.Addralign, layout.PageSize)
			}
			o.code.Align = int(s.Addralign)
		case s.Name == ".eh_frame": // for debuggers, by .cfi directives
		case s.Flags&elf.SHF_ALLOC != 0 && s.Size > 0:
			return nil, fmt.Errorf("section %s has %d bytes; all code must be in .text, and all memory is the kernel's", s.Name, s.Size)
		}
	}
	if len(o.code.Bytes) == 0 {
		return nil, errors.New(".text is empty")
	}
	o.code.Lines = slices.DeleteFunc(lines, func(l asm.CodeLine) bool { return l.Off+l.Len > len(o.code.Bytes) })
	symbols, err := f.Symbols()
	if err != nil && !errors.Is(err, elf.ErrNoSymbols) {
		return nil, err
	}
	for _, s := range symbols {
		if int(s.Section) == text && s.Name != "" {
			o.symbols[s.Name] = int(s.Value)
		}
	}
	if s := f.Section(".rela.text"); s != nil {
		data, err := s.Data()
		if err != nil {
			return nil, err
		}
		if err := o.relocs(data, symbols, text); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// line says where in the file an offset is.
func (o *object) line(off int) string {
	for _, l := range o.code.Lines {
		if l.Off <= off && off < l.Off+l.Len {
			return fmt.Sprintf("line %d: %s", l.Line, l.Text)
		}
	}
	return fmt.Sprintf("+%#x of .text", off)
}

// relocKinds are the relocations that the linker knows.
var relocKinds = map[elf.R_X86_64]asm.RelocKind{
	elf.R_X86_64_PC32: asm.RelocPC32, elf.R_X86_64_PLT32: asm.RelocPC32, elf.R_X86_64_32S: asm.RelocAbs32, elf.R_X86_64_64: asm.RelocAbs64,
}

// relocs reads the relocations of .text, which is the section with the number
// text.
func (o *object) relocs(data []byte, symbols []elf.Symbol, text int) error {
	for r := bytes.NewReader(data); r.Len() > 0; {
		var rela elf.Rela64
		if err := binary.Read(r, binary.LittleEndian, &rela); err != nil {
			return fmt.Errorf("relocations: %w", err)
		}
		kind, ok := relocKinds[elf.R_X86_64(elf.R_TYPE64(rela.Info))]
		n := int(elf.R_SYM64(rela.Info)) - 1 // symbol 0 is not in the list
		if n < 0 || n >= len(symbols) {
			return fmt.Errorf("%s: it uses an address as a number; only the address of a symbol can be linked", o.line(int(rela.Off)))
		}
		sym := symbols[n]
		name := sym.Name
		section := elf.ST_TYPE(sym.Info) == elf.STT_SECTION
		switch {
		case section && int(sym.Section) != text:
			return fmt.Errorf("%s: it refers to another section; everything must be in .text", o.line(int(rela.Off)))
		case section:
			name = ""
		case sym.Section == elf.SHN_COMMON:
			return fmt.Errorf("%s: %s needs memory of its own (.comm), but all memory is the kernel's", o.line(int(rela.Off)), name)
		}
		if sym.Section == elf.SHN_UNDEF && strings.Contains(Include(), ".set "+name+", ") {
			return fmt.Errorf("%s: %s is from %s, which the file does not include: .include \"%s\"", o.line(int(rela.Off)), name, IncludeName, IncludeName)
		}
		if !ok {
			return fmt.Errorf("%s: %v of %s: kernel addresses take 64 bits, or 32 that are sign-extended or relative to RIP",
				o.line(int(rela.Off)), elf.R_X86_64(elf.R_TYPE64(rela.Info)), cmp.Or(name, ".text"))
		}
		o.code.Relocs = append(o.code.Relocs, asm.Reloc{Off: int(rela.Off), Kind: kind, Sym: name, Add: rela.Addend})
	}
	return nil
}

// row matches a line of as's listing that has bytes: its number, their offset, the bytes
// themselves, the source.
var row = regexp.MustCompile(`^ *([0-9]+) ([0-9a-f]{4,}) ((?:[0-9A-F]{2,8} ?)+?) *\t(.*)$`)

// lines reads as's listing. The expansion of a macro or a repetition comes
// after the line that asks for it, and counts as part of that line.
func lines(path string, listing []byte) []asm.CodeLine {
	if !filepath.IsLocal(path) {
		path = filepath.Base(path) // no path of the machine gets into an image
	}
	at := map[int]asm.CodeLine{}
	for text := range strings.Lines(string(listing)) {
		m := row.FindStringSubmatch(strings.TrimRight(text, "\n"))
		if m == nil {
			continue
		}
		l := asm.CodeLine{Len: len(strings.ReplaceAll(m[3], " ", "")) / 2, File: path}
		fmt.Sscan(m[1], &l.Line)
		fmt.Sscanf(m[2], "%x", &l.Off)
		source, _, _ := strings.Cut(strings.TrimLeft(m[4], "> "), "#")
		l.Text = strings.Join(strings.Fields(source), " ")
		at[l.Off] = l
	}
	var list []asm.CodeLine
	for _, l := range at {
		list = append(list, l)
	}
	slices.SortFunc(list, func(a, b asm.CodeLine) int { return a.Off - b.Off })
	return list
}
