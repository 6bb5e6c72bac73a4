package vmtests

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/image/font/basicfont"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// TestScreen boots a program on machines with a screen, and reads what a person sees.
// Without a screen, /dev/tty1 says so.
func TestScreen(t *testing.T) {
	t.Parallel()
	vga := []string{"-device", "VGA"}
	for _, tt := range []struct {
		name   string
		always bool // not with -boots alone
		format image.Format
		boot   efiBoot
		extra  []string
		glyphs func(s shot) glyphs // nil: there is no screen
	}{
		{name: "UEFI", always: true, format: image.EFI, boot: efiBoot{machine: vm.Q35, uefi: true}, extra: vga, glyphs: pixelGlyphs},
		{name: "UEFI, large pixels", format: image.EFI, boot: efiBoot{machine: vm.Q35, uefi: true}, extra: []string{"-device", "VGA,xres=1920,yres=1080"}, glyphs: pixelGlyphs},
		{name: "UEFI, two screens", format: image.EFI, boot: efiBoot{machine: vm.Q35, uefi: true}, extra: append([]string{"-device", "bochs-display"}, vga...), glyphs: pixelGlyphs},
		{name: "UEFI, stick", format: image.Disk, boot: efiBoot{machine: vm.PC, uefi: true}, extra: vga, glyphs: pixelGlyphs},
		{name: "BIOS, disk", always: true, format: image.Disk, boot: efiBoot{machine: vm.PC}, extra: vga, glyphs: textGlyphs},
		{name: "BIOS, bzImage", format: image.EFI, boot: efiBoot{machine: vm.Q35}, extra: vga, glyphs: textGlyphs},
		{name: "PVH", format: image.ELF, boot: efiBoot{machine: vm.PC}, extra: vga, glyphs: textGlyphs},
		{name: "no screen", format: image.ELF, boot: efiBoot{machine: vm.PC}},
	} {
		if !tt.always && !*allBoots {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.boot.uefi {
				needOVMF(t)
			}
			m := machine(t, vm.TCG)
			m.Machine, m.UEFI, m.Extra, m.MemoryMiB = tt.boot.machine, tt.boot.uefi, tt.extra, 256
			c := boot.Config{Variants: []stubs.Variant{linux319(t)}, Format: tt.format, Init: program(t, "screen"), VM: m}
			m, err := boot.Prepare(t.Context(), withImage(t, c))
			if err != nil {
				t.Fatal(err)
			}
			if tt.glyphs == nil {
				if res, console := bootMachine(t, m); res.Outcome != vm.Exited || !strings.HasSuffix(console, "\ntty1: write /dev/tty1: input/output error\n") {
					t.Errorf("console is %q\n%s", console, res.Report())
				}
				return
			}
			console, s := lastShot(t, m, "entrylab: init exited with status 0\n")
			if !strings.Contains(console, "tty1: <nil>\n") {
				t.Errorf("console is %q", console)
			}
			want := screenRows()
			if got := s.read(t, tt.glyphs(s)); !slices.Equal(got, want) {
				t.Errorf("the screen shows\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

// screenRows returns what testdata's program screen leaves on the screen.
func screenRows() (rows []string) {
	for i := 11; i < 30; i++ {
		rows = append(rows, fmt.Sprint("line ", i))
	}
	ascii := allCharacters()
	return append(rows, ascii[:80], fmt.Sprintf("%-16safter a tab, an ?", ascii[80:]), "of the screen alone", "  10 %", "entrylab: init exited with status 0", "")
}

// TestScreenAnswer boots the guest from a stick twice, and reads from the screen what a
// person learns of it without a serial line: how far it is, and in the end the verdict and
// the table of both boots. It runs with -boots alone.
func TestScreenAnswer(t *testing.T) {
	if !*allBoots {
		return // it takes a minute
	}
	t.Parallel()
	needOVMF(t)
	archive, err := boot.Initramfs(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	words := layout.ControlWord + " -- verify sample -samples=20"
	kernel, err := image.Build(image.Config{Variants: []stubs.Variant{linux319(t)}, Initramfs: archive, Cmdline: words, Boots: 2})
	if err != nil {
		t.Fatal(err)
	}
	disk, err := kernel.File(image.Disk, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	m := machine(t, vm.TCG)
	m.Machine, m.UEFI, m.Media, m.Keep, m.MemoryMiB, m.Extra = vm.Q35, true, vm.Stick, true, 256, []string{"-device", "VGA"}
	m.Disk = filepath.Join(t.TempDir(), "stick.img")
	if err := os.WriteFile(m.Disk, disk, 0o600); err != nil {
		t.Fatal(err)
	}
	_, s := lastShot(t, m, "SAMPLE: ")
	g := pixelGlyphs(s)
	if rows := s.read(t, g); !regexp.MustCompile(`^entrylab: boot 1 of 2, [1-9][0-9]? %$`).MatchString(rows[0]) {
		t.Errorf("while it measures, the screen shows\n%s", strings.Join(rows, "\n"))
	}
	_, s = lastShot(t, m, "entrylab: boot 2 of 2, the last one\r\n")
	rows := s.read(t, g)
	want := []string{
		`entrylab: boot 2 of 2: PASS: \d+ checks, \d+ skipped`,
		`2 boots of QEMU TCG CPU version .*`,
		`An emulator's clock: these cycles mean nothing\.`,
		`operation         variant                 cycles  difference \(95 % interval\)`,
		`null call         linux-3\.19 +\d+\.\d`,
		`unknown           linux-3\.19 +\d+\.\d`,
	}
	for i, pattern := range want {
		if !regexp.MustCompile("^" + pattern + "$").MatchString(rows[i]) {
			t.Errorf("row %d does not match %s; the screen shows\n%s", i, pattern, strings.Join(rows, "\n"))
		}
	}
	if !slices.Contains(rows, "entrylab: init exited with status 0") {
		t.Errorf("the screen shows\n%s", strings.Join(rows, "\n"))
	}
	t.Logf("the screen shows\n%s", strings.Join(rows, "\n"))
	below := 0 // what the firmware has written
	for y := 25 * g.height * g.scale; y < s.height; y++ {
		for x := range s.width {
			if s.lit(x, y) {
				below++
			}
		}
	}
	if below == 0 {
		t.Error("the firmware has not written below the screen's rows")
	}
}

// allCharacters returns the characters that a screen can show.
func allCharacters() string {
	var b strings.Builder
	for c := ' '; c <= '~'; c++ {
		b.WriteRune(c)
	}
	return b.String()
}

// lastShot boots a machine until console and log together have the text, and returns both
// and what the screen shows then.
func lastShot(t *testing.T, m vm.Config, until string) (said string, s shot) {
	t.Helper()
	said = watch(t, m, until, func(take func() shot) { s = take() })
	return said, s
}

// watch boots a machine until console and log together have the text, and returns both.
// Before it ends the machine it calls look, which can take what the screen shows. A machine
// that has ended stays as it is.
func watch(t *testing.T, m vm.Config, until string, look func(take func() shot)) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "shot") // a short path, for a socket
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	qmp := filepath.Join(dir, "qmp")
	m.Extra = append(slices.Clone(m.Extra), "-qmp", "unix:"+qmp+",server=on,wait=off")
	line, err := vm.CommandLine(m)
	if err != nil {
		t.Fatal(err)
	}
	line = strings.NewReplacer("-no-reboot ", "", "-device isa-debug-exit,iobase=0xf4,iosize=4 ", "").Replace(line)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", "exec "+line)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd.Stdout, cmd.Stderr = w, w
	err = cmd.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	var said []byte
	for buf := make([]byte, 4096); !bytes.Contains(said, []byte(until)); {
		n, err := r.Read(buf)
		said = append(said, buf[:n]...)
		if err != nil {
			_ = cmd.Wait() // what it said tells more
			t.Fatalf("the machine ends without %q: it says %q", until, said)
		}
	}
	look(func() shot { return takeShot(t, qmp, filepath.Join(dir, "ppm")) })
	cancel()
	_, _ = io.Copy(io.Discard, r)
	_ = cmd.Wait() // killed
	return string(said)
}

// takeShot makes QEMU write a picture of the screen.
func takeShot(t *testing.T, qmp, path string) shot {
	t.Helper()
	conn, err := net.Dial("unix", qmp)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answers := json.NewDecoder(conn)
	var answer map[string]any
	if err := answers.Decode(&answer); err != nil { // the greeting
		t.Fatal(err)
	}
	for _, command := range []string{`{"execute":"qmp_capabilities"}`, fmt.Sprintf(`{"execute":"screendump","arguments":{"filename":%q}}`, path)} {
		if _, err := io.WriteString(conn, command); err != nil {
			t.Fatal(err)
		}
		for answer = nil; answer["return"] == nil; {
			if err := answers.Decode(&answer); err != nil || answer["error"] != nil {
				t.Fatalf("%s: %v, %v", command, answer["error"], err)
			}
		}
	}
	f, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var s shot
	var most int
	if _, err := fmt.Fscanf(bytes.NewReader(f), "P6\n%d %d\n%d\n", &s.width, &s.height, &most); err != nil || most != 255 {
		t.Fatalf("the picture begins with %q: %v", f[:min(20, len(f))], err)
	}
	s.rgb = f[len(f)-3*s.width*s.height:]
	return s
}

// shot is a picture of a screen.
type shot struct {
	width, height int
	rgb           []byte
}

// lit reports whether a pixel is not black.
func (s shot) lit(x, y int) bool {
	at := 3 * (y*s.width + x)
	return s.rgb[at]|s.rgb[at+1]|s.rgb[at+2] != 0
}

// glyphs are what the characters look like in cells of a size.
type glyphs struct {
	width, height, scale int
	character            map[string]byte // by the picture of a cell
}

// cell returns the picture of a cell: a character for each pixel.
func (s shot) cell(g glyphs, column, row int) string {
	var b strings.Builder
	for y := range g.height {
		for x := range g.width {
			if s.lit((column*g.width+x)*g.scale, (row*g.height+y)*g.scale) {
				b.WriteByte('#')
			} else {
				b.WriteByte(' ')
			}
		}
	}
	return b.String()
}

// read returns the rows that the screen shows.
func (s shot) read(t *testing.T, g glyphs) []string {
	t.Helper()
	var rows []string
	for row := range 25 {
		var b strings.Builder
		for column := range 80 {
			c, ok := g.character[s.cell(g, column, row)]
			if !ok {
				c = '?'
			}
			b.WriteByte(c)
		}
		rows = append(rows, strings.TrimRight(b.String(), " "))
	}
	return rows
}

// pixelGlyphs returns the glyphs of the font that the kernel has, as large as the screen
// allows.
func pixelGlyphs(s shot) glyphs {
	face := basicfont.Face7x13
	g := glyphs{width: face.Advance, height: face.Height, scale: min(s.width/(80*face.Advance), s.height/(25*face.Height)), character: map[string]byte{}}
	for i, c := range []byte(allCharacters()) {
		var b strings.Builder
		for y := range face.Height {
			for x := range face.Advance {
				_, _, _, alpha := face.Mask.At(x, i*face.Height+y).RGBA() // nothing beyond the mask's edge
				b.WriteByte(" #"[alpha>>15])
			}
		}
		g.character[b.String()] = c
	}
	return g
}

// textGlyphs returns the glyphs of VGA's own font, as the row of all characters shows them.
func textGlyphs(s shot) glyphs {
	g := glyphs{width: s.width / 80, height: s.height / 25, scale: 1, character: map[string]byte{}}
	const row = 19 // where the program's row of all characters is in the end
	for i, c := range []byte(allCharacters()) {
		g.character[s.cell(g, i%80, row+i/80)] = c
	}
	return g
}
