package kernel

import (
	"bytes"
	"fmt"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// Linux's numbers of the character devices that the kernel has
// (Documentation/admin-guide/devices.txt).
const (
	memMajor     = 1
	nullMinor    = 3
	zeroMinor    = 5
	randomMinor  = 8
	urandomMinor = 9

	vtMajor  = 4
	vt1Minor = 1

	localMajor = 240 // for local use

	ttyMajor     = 5
	ttyMinor     = 0
	consoleMinor = 1
)

// builtinNode is a file that exists whatever the initramfs holds.
type builtinNode struct {
	name         string
	mode         uint32
	major, minor uint32
}

// builtinNodes come after the initramfs in the search for a path, so that the
// initramfs has precedence.
var builtinNodes = []builtinNode{
	{name: "dev", mode: S_IFDIR | 0o755},
	{name: "dev/console", mode: S_IFCHR | 0o600, major: ttyMajor, minor: consoleMinor},
	{name: "dev/tty", mode: S_IFCHR | 0o666, major: ttyMajor, minor: ttyMinor},
	{name: "dev/tty1", mode: S_IFCHR | 0o620, major: vtMajor, minor: vt1Minor},
	{name: "dev/null", mode: S_IFCHR | 0o666, major: memMajor, minor: nullMinor},
	{name: "dev/zero", mode: S_IFCHR | 0o666, major: memMajor, minor: zeroMinor},
	{name: "dev/random", mode: S_IFCHR | 0o666, major: memMajor, minor: randomMinor},
	{name: "dev/urandom", mode: S_IFCHR | 0o666, major: memMajor, minor: urandomMinor},
	{name: "proc", mode: S_IFDIR | 0o555},
	{name: procSelf, mode: S_IFDIR | 0o555},
	{name: procSelfExe, mode: S_IFLNK | 0o777}, // its target is known once init is loaded
	{name: procSelfStat, mode: S_IFREG | 0o444},
	{name: procSelfSyscall, mode: S_IFREG | 0o400},
	{name: layout.CorePath, mode: S_IFREG | 0o600}, // once a process has dumped core
	{name: layout.ResultsNode, mode: S_IFCHR | 0o200, major: localMajor, minor: 0},
	{name: newcTrailer},
}

const procSelfExe = "proc/self/exe"

// builtinCpio returns the newc archive of the built-in nodes, and the offset of each by its
// name.
func builtinCpio() ([]byte, map[string]int) {
	var b bytes.Buffer
	at := map[string]int{}
	for i, n := range builtinNodes {
		at[n.name] = b.Len()
		b.WriteString(newcMagic)
		for _, v := range []uint32{uint32(i + 1), n.mode, 0, 0, 1, 0, 0, 0, 0, n.major, n.minor, uint32(len(n.name) + 1), 0} {
			fmt.Fprintf(&b, "%08x", v)
		}
		b.WriteString(n.name)
		b.WriteByte(0)
		for b.Len()%4 != 0 {
			b.WriteByte(0)
		}
	}
	return b.Bytes(), at
}

// device returns the number that st_rdev has for a device (Linux
// include/linux/kdev_t.h, new_encode_dev; minors below 256).
func device(major, minor int) int { return major<<8 | minor }

// devices returns the part that reads and writes the character devices.
func devices() Program {
	return Program{
		Funcs: Funcs(
			deviceOps, readEOF, writeNull, readZero, consoleWriteUser, screenWriteUser, resultsWriteUser, pollConsole,
		),
		Data: []Data{
			builtinCpioData(), consoleOps(), screenOps(), resultsOps(), nullOps(), zeroOps(), randomOps(), consoleBuffer,
		},
	}
}

func builtinCpioData() Data {
	archive, _ := builtinCpio()
	return RODATA("builtin_cpio", archive)
}

func consoleOps() Data {
	return fileOps("console_ops", layout.FileOps[any]{Read: readEOF, Write: consoleWriteUser, Poll: pollConsole})
}

func screenOps() Data {
	return fileOps("screen_ops", layout.FileOps[any]{Read: readEOF, Write: screenWriteUser, Poll: pollConsole})
}

func resultsOps() Data {
	return fileOps("results_ops", layout.FileOps[any]{Read: readEOF, Write: resultsWriteUser, Poll: pollConsole})
}

func nullOps() Data {
	return fileOps("null_ops", layout.FileOps[any]{Read: readEOF, Write: writeNull, LSeek: layout.FileSeekNull})
}

func zeroOps() Data {
	return fileOps("zero_ops", layout.FileOps[any]{Read: readZero, Write: writeNull, LSeek: layout.FileSeekNull})
}

func randomOps() Data {
	return fileOps("random_ops", layout.FileOps[any]{Read: randomRead, Write: writeNull, LSeek: layout.FileSeekNull})
}

var consoleBuffer = BSS("console_buffer", layout.PageSize, layout.PageSize)

func deviceOps() Func {
	return FUNC("device_ops", "device_ops returns the FileOps of the device EDI (st_rdev), or 0.",
		func() Block {
			var b Block
			for _, d := range []struct {
				rdev int
				ops  func() Data
			}{
				{device(ttyMajor, consoleMinor), consoleOps},
				{device(ttyMajor, ttyMinor), consoleOps},
				{device(vtMajor, vt1Minor), screenOps},
				{device(memMajor, nullMinor), nullOps},
				{device(memMajor, zeroMinor), zeroOps},
				{device(memMajor, randomMinor), randomOps},
				{device(memMajor, urandomMinor), randomOps},
				{device(localMajor, 0), resultsOps},
			} {
				b = append(b,
					LEAQ(Sym(d.ops), RAX),
					CMPL(RDI, d.rdev),
					IF(E, RETURN()),
				)
			}
			return b
		}(),
		XORL(RAX, RAX),
		RETURN(),
	).Takes(RDI).Returns(RAX)
}

func readEOF() Func {
	return FUNC("read_eof", "read_eof is the Read of the console, which has no input, and of /dev/null: 0, the end.",
		XORL(RAX, RAX),
		RETURN(),
	).Takes()
}

func writeNull() Func {
	return FUNC("write_null", "write_null is the Write of devices that discard everything.",
		MOVQ(RDX, RAX),
		RETURN(),
	).Takes(RDX)
}

func readZero() Func {
	count := RBX
	return FUNC("read_zero", "read_zero is the Read of /dev/zero.",
		MOVQ(RDX, count),
		MOVQ(RSI, RDI),
		MOVQ(RDX, RSI),
		CALL(clearUser),
		TESTQ(RAX, RAX),
		IF(E, MOVQ(count, RAX)),
		RETURN(),
	).Saving(RBX).Takes(RSI, RDX)
}

func consoleWriteUser() Func {
	return FUNC("console_write_user",
		`console_write_user is the Write of the console: the bytes go to COM1 as they
are. If the buffer is bad from some address on, the bytes before it are written.`,
		writeUser(consoleWrite),
	).Saving(RBX, R12, R13, R14).Takes(RSI, RDX)
}

func screenWriteUser() Func {
	return FUNC("screen_write_user",
		`screen_write_user is the Write of /dev/tty1, the screen: EIO if there is none. From
the first on, the screen no longer shows what the console says.`,
		CMPQ(screen.Kind, layout.ScreenNone),
		IF(E, fail(EIO)),
		MOVQ(1, screen.Taken),
		writeUser(screenWrite),
	).Saving(RBX, R12, R13, R14).Takes(RSI, RDX)
}

func resultsWriteUser() Func {
	return FUNC("results_write_user", "results_write_user is the Write of the device for results: EIO if nobody keeps them.",
		CMPQ(answer.Results.Text, 0),
		IF(E, fail(EIO)),
		writeUser(resultsAdd),
	).Saving(RBX, R12, R13, R14).Takes(RSI, RDX)
}

// writeUser emits the rest of a Write: the user's bytes go to a function that takes RSI
// bytes at RDI.
func writeUser(to func() Func) Block {
	from, left, written, n := RBX, R12, R13, R14
	return Block{
		MOVQ(RSI, from),        // the user's next byte
		MOVQ(RDX, left),        // left
		XORL(written, written), // written
		LOOP(
			TESTQ(left, left),
			BREAK(E),
			toPageEnd(from, left, n),
			LEAQ(Sym(consoleBuffer), RDI),
			MOVQ(from, RSI),
			MOVQ(n, RDX),
			CALL(copyFromUser),
			TESTQ(RAX, RAX),
			IF(NE,
				TESTQ(written, written),
				BREAK(NE),
				RETURN(),
			),
			LEAQ(Sym(consoleBuffer), RDI),
			MOVQ(n, RSI),
			CALL(to),
			ADDQ(n, from),
			ADDQ(n, written),
			SUBQ(n, left),
		),
		MOVQ(written, RAX),
		RETURN(),
	}
}

func pollConsole() Func {
	return FUNC("poll_console", "poll_console is the Poll of the console: its end of input can always be read.",
		MOVL(EPOLLIN|EPOLLRDNORM|EPOLLOUT|EPOLLWRNORM, RAX),
		RETURN(),
	).Takes()
}
