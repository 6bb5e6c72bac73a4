package confirm

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/prove"
)

// bochs is a machine of Bochs's that stands at a variant's entry, with Bochs's debugger
// at it. That writes memory and RIP; the other registers are loaded by code of ours,
// which takes the place of a variant that does not run.
type bochs struct {
	conn    io.Writer
	said    *bufio.Reader
	breaks  int // how many breakpoints there have been
	places  prove.Places
	die     uint64
	loader  loader
	written map[uint64]uint32 // what lies in the loader's place, by physical address
	call    uint64
	callCR3 uint64
	entered uint64 // the entry, where it runs to first
}

// prompt is what the debugger says when it waits for a command.
var prompt = regexp.MustCompile(`<bochs:\d+> $`)

// onBochs is onQEMU with Bochs. The last variant of the list does not run.
func onBochs(ctx context.Context, n stubs.Variant, list []stubs.Variant, kernel *image.Image, use func(prove.Machine) error) error {
	m, err := boot.Prepare(ctx, boot.Config{Variants: list, VM: vm.Config{Engine: vm.Bochs, CPU: vm.BochsFeaturesCPU}})
	if err != nil {
		return err
	}
	b := &bochs{written: map[uint64]uint32{}}
	addrs := map[string]uint64{"die": 0, "ret_from_fork_to_user": 0, "return_to_usermode": 0, "sys_ni_syscall": 0, n.FuncName(stubs.Entry): 0}
	for name := range addrs {
		var ok bool
		if addrs[name], ok = kernel.Object.Addr(name); !ok {
			return fmt.Errorf("the kernel has no %s", name)
		}
	}
	if b.loader, err = newLoader(kernel.Object, list[len(list)-1], n); err != nil {
		return err
	}
	b.die, b.entered, b.places.Elsewhere = addrs["die"], addrs[n.FuncName(stubs.Entry)], addrs["sys_ni_syscall"]
	var failed error
	m.Debug = func(conn *os.File) error {
		b.conn, b.said = conn, bufio.NewReader(conn)
		failed = b.begin(addrs["ret_from_fork_to_user"], addrs["return_to_usermode"])
		if failed == nil {
			failed = use(b)
		}
		return errors.Join(failed, errDone)
	}
	_, err = vm.Run(ctx, m)
	return ended(failed, err)
}

// begin lets the machine run to its first call, as onQEMU does, and puts the loader into
// its place.
func (b *bochs) begin(fork, back uint64) error {
	if _, err := b.answer(); err != nil {
		return err
	}
	if err := b.continueTo(fork); err != nil {
		return err
	}
	if _, err := b.ask("set rip = %#x", back); err != nil {
		return err
	}
	if err := b.continueTo(b.entered); err != nil {
		return err
	}
	r, err := b.Registers()
	if err != nil {
		return err
	}
	if r.RIP != b.entered {
		return fmt.Errorf("the machine stopped at %#x, want its first call at %#x", r.RIP, b.entered)
	}
	efer, _ := b.MSR(x86.MSR_EFER)
	const syscallLen, rcx = 2, 1
	b.call, b.callCR3 = r.General[rcx]-syscallLen, r.CR3
	const own = layout.PhysMap + ownMemory
	b.places = prove.Places{
		PerCPU: r.OtherGSBase, Stack: own + layout.ThreadSize, Next: own + 2*layout.ThreadSize,
		CR3: r.CR3 &^ layout.PTIUserBits, EFER: efer, Elsewhere: b.places.Elsewhere,
	}
	top, err := b.Read([]uint64{r.OtherGSBase + uint64(percpu.TSS.SP1.Off)})
	if err != nil {
		return err
	}
	b.places.Trampoline = top[0]
	if _, err := b.ask("lb %#x", b.die); err != nil {
		return err
	}
	b.breaks++
	return b.put(b.loader.addr, b.loader.code)
}

// ask has the debugger do something, and returns what it says.
func (b *bochs) ask(format string, args ...any) (string, error) {
	if _, err := fmt.Fprintf(b.conn, format+"\n", args...); err != nil {
		return "", fmt.Errorf("the debugger of Bochs: %w", err)
	}
	return b.answer()
}

// askAll is ask for commands that do not wait for each other's answers.
func (b *bochs) askAll(commands []string) (said []string, err error) {
	const most = 500 // whose answers a socket holds
	for some := range slices.Chunk(commands, most) {
		if _, err := io.WriteString(b.conn, strings.Join(some, "\n")+"\n"); err != nil {
			return nil, fmt.Errorf("the debugger of Bochs: %w", err)
		}
		for range some {
			s, err := b.answer()
			if err != nil {
				return nil, err
			}
			said = append(said, s)
		}
	}
	return said, nil
}

// answer reads up to the next prompt.
func (b *bochs) answer() (string, error) {
	var said []byte
	for {
		c, err := b.said.ReadByte()
		if err != nil {
			return "", fmt.Errorf("the debugger of Bochs ended after %q: %w", said[max(0, len(said)-200):], err)
		}
		said = append(said, c)
		if c == ' ' && prompt.Match(said[max(0, len(said)-20):]) {
			return string(said), nil
		}
	}
}

// continueTo lets it run to an address, or to die.
func (b *bochs) continueTo(addr uint64) error {
	if _, err := b.ask("lb %#x", addr); err != nil {
		return err
	}
	b.breaks++
	if _, err := b.ask("c"); err != nil {
		return err
	}
	_, err := b.ask("d %d", b.breaks)
	return err
}

func (b *bochs) Places() prove.Places { return b.places }

func (b *bochs) Exits() bool { return true }

func (b *bochs) CanRun() bool { return true }

func (b *bochs) Step() error {
	_, err := b.ask("s")
	return err
}

// RunTo lets it run; at die it stops too.
func (b *bochs) RunTo(addr uint64) error {
	if err := b.continueTo(addr); err != nil {
		return err
	}
	r, err := b.Registers()
	if err != nil || r.RIP != b.die {
		return err
	}
	const rsi, rdi = 6, 7
	words, err := b.Read([]uint64{r.General[rdi] + uint64(ptRegs.IP.Off)})
	if err != nil {
		return err
	}
	return &prove.StepError{Why: fmt.Sprintf("exception %d comes at %#x", uint32(r.General[rsi]), words[0])}
}

func (b *bochs) Call(user prove.Registers) error {
	user.RIP, user.CR3 = b.call, b.callCR3
	if err := b.SetRegisters(user); err != nil {
		return err
	}
	return b.Step()
}

// field is a line of the debugger's, a name and a number.
var field = regexp.MustCompile(`(?m)(\w+) *[:= ] *(?:0x)?([0-9a-f]+(?:_[0-9a-f]+)*)\b`)

// fields asks for the numbers that a command shows.
func (b *bochs) fields(command string) (map[string]uint64, error) {
	said, err := b.ask("%s", command)
	return fieldsOf(said), err
}

// fieldsOf are the numbers in what the debugger says, by their names; the first of a name
// counts.
func fieldsOf(said string) map[string]uint64 {
	all := map[string]uint64{}
	for _, f := range field.FindAllStringSubmatch(said, -1) {
		n, err := strconv.ParseUint(strings.ReplaceAll(f[2], "_", ""), 16, 64)
		if _, have := all[f[1]]; err == nil && !have {
			all[f[1]] = n
		}
	}
	return all
}

// generalNames are the general registers in the order of their encoding.
var generalNames = [16]string{"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"}

// shows are the commands that show the registers.
var shows = []string{
	"r", "creg", `show "cpu0.MSR"`, `show "cpu0.SSE"`, `show "cpu0.FPU"`,
	`show "cpu0.CS"`, `show "cpu0.SS"`, `show "cpu0.DS"`, `show "cpu0.ES"`, `show "cpu0.FS"`, `show "cpu0.GS"`,
}

func (b *bochs) Registers() (r prove.Registers, err error) {
	said, err := b.askAll(shows)
	if err != nil {
		return r, err
	}
	get := func(command string) func(name string) uint64 {
		all := fieldsOf(said[slices.Index(shows, command)])
		return func(name string) uint64 {
			n, ok := all[name]
			if !ok && err == nil {
				err = fmt.Errorf("the debugger of Bochs says no %s to %q", name, command)
			}
			return n
		}
	}
	general := get("r")
	for i, name := range generalNames {
		r.General[i] = general(name)
	}
	r.RIP, r.RFLAGS = general("rip"), general("eflags")
	r.CR3 = get("creg")("CR3")
	for name, selector := range map[string]*uint16{"CS": &r.CS, "SS": &r.SS, "DS": &r.DS, "ES": &r.ES, "FS": &r.FS, "GS": &r.GS} {
		segment := get(fmt.Sprintf("show %q", "cpu0."+name))
		*selector = uint16(segment("selector"))
		switch name {
		case "FS":
			r.FSBase = segment("base")
		case "GS":
			r.GSBase = segment("base")
		}
	}
	msrs := get(`show "cpu0.MSR"`)
	r.OtherGSBase, r.SpecCtrl = msrs("kernelgsbase"), msrs("ia32_spec_ctrl")
	r.UserCET, r.PL3SSP = msrs("ia32_cet_u_ctrl"), msrs("ia32_pl3_ssp")
	sse := get(`show "cpu0.SSE"`)
	r.MXCSR = uint32(sse("mxcsr"))
	for i := range r.XMM {
		for half := range r.XMM[i] {
			r.XMM[i][half] = sse(fmt.Sprintf("xmm%02d_%d", i, half))
		}
	}
	fpu := said[slices.Index(shows, `show "cpu0.FPU"`)]
	unit := get(`show "cpu0.FPU"`)
	top := unit("tos")
	r.X87.Control, r.X87.Status = uint16(unit("cwd")), uint16(unit("swd")&^(7<<x87Top)|top<<x87Top)
	stack := x87Register.FindAllStringSubmatch(fpu, -1)
	if len(stack) != len(r.X87.ST) && err == nil {
		err = fmt.Errorf("the debugger of Bochs says %q of the x87 unit", fpu)
	}
	for i, st := range stack {
		if unit("twd")>>(2*i)&3 != x87Empty {
			r.X87.Tags |= 1 << i
		}
		exponent, _ := strconv.ParseUint(st[1], 16, 16)
		fraction, _ := strconv.ParseUint(st[2], 16, 64)
		to := r.X87.ST[(uint64(i)-top)&7][:0]
		binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint64(to, fraction), uint16(exponent))
	}
	return r, err
}

// x87Register is a register of the x87 unit as the debugger shows it; they come in the order
// of their numbers, not from the top of the stack.
var x87Register = regexp.MustCompile(`exp = 0x([0-9a-f]+)\s+fraction = 0x([0-9a-f]+)\b`)

const (
	x87Top   = 11 // where the status word has the number of the top
	x87Empty = 3  // a tag (SDM volume 1, 8.1.7)
)

// MSR is one of those of SYSCALL.
func (b *bochs) MSR(number uint32) (uint64, bool) {
	names := map[uint32]string{x86.MSR_EFER: "EFER", x86.MSR_STAR: "star", x86.MSR_LSTAR: "lstar", x86.MSR_SYSCALL_MASK: "fmask"}
	all, err := b.fields(`show "cpu0.MSR"`)
	n, ok := all[names[number]]
	return n, ok && err == nil
}

// SetRegisters has the loader load them.
func (b *bochs) SetRegisters(to prove.Registers) error {
	if err := b.put(b.loader.data, b.loader.image(to)); err != nil {
		return err
	}
	now, err := b.fields(`show "cpu0.CS"`)
	if err != nil {
		return err
	}
	if now["selector"]&3 != 0 { // of ring 3, from where SYSCALL leads to ring 0
		if _, err := b.ask("set rip = %#x", b.call); err != nil {
			return err
		}
		if err := b.Step(); err != nil {
			return err
		}
	}
	if _, err := b.ask("set rip = %#x", b.loader.addr); err != nil {
		return err
	}
	if _, err := b.ask("s %d", b.loader.steps); err != nil {
		return err
	}
	general, err := b.fields("r")
	if err == nil && general["rip"] != to.RIP {
		err = fmt.Errorf("in Bochs the registers were to be loaded, and it is at %#x, want %#x", general["rip"], to.RIP)
	}
	return err
}

// put writes bytes, a multiple of 4, into the loader's place, where they differ.
func (b *bochs) put(addr uint64, code []byte) error {
	var commands []string
	at := physical([]uint64{addr})[0]
	for i := 0; i < len(code); i, at = i+4, at+4 {
		n := binary.LittleEndian.Uint32(code[i:])
		if was, ok := b.written[at]; ok && was == n {
			continue
		}
		commands = append(commands, fmt.Sprintf("setpmem %#x 4 %#x", at, n))
		b.written[at] = n
	}
	_, err := b.askAll(commands)
	return err
}

// word is a word of what the debugger says of memory.
var word = regexp.MustCompile(`\t0x([0-9a-f]+)`)

// Read asks for what lies close together at once, with what is between.
func (b *bochs) Read(addrs []uint64) ([]uint64, error) {
	addrs = physical(addrs)
	sorted := slices.Compact(slices.Sorted(slices.Values(addrs)))
	const page = 512 // words
	at := make(map[uint64]uint64, len(addrs))
	for len(sorted) > 0 {
		first, n := sorted[0], uint64(0)
		for len(sorted) > 0 && sorted[0]-first < 8*page {
			n = (sorted[0]-first)/8 + 1
			sorted = sorted[1:]
		}
		said, err := b.ask("xp /%dgx %#x", n, first)
		if err != nil {
			return nil, err
		}
		found := word.FindAllStringSubmatch(said, -1)
		if uint64(len(found)) != n {
			return nil, fmt.Errorf("the debugger of Bochs says %q of %d words at %#x", said, n, first)
		}
		for i, f := range found {
			if at[first+8*uint64(i)], err = strconv.ParseUint(f[1], 16, 64); err != nil {
				return nil, err
			}
		}
	}
	words := make([]uint64, len(addrs))
	for i, a := range addrs {
		w, ok := at[a]
		if !ok {
			return nil, fmt.Errorf("%#x is no address of a word", a)
		}
		words[i] = w
	}
	return words, nil
}

func (b *bochs) Write(addrs, words []uint64) error {
	var commands []string
	for i, at := range physical(addrs) {
		for half := range uint64(2) {
			commands = append(commands, fmt.Sprintf("setpmem %#x 4 %#x", at+4*half, uint32(words[i]>>(32*half))))
		}
	}
	_, err := b.askAll(commands)
	return err
}
