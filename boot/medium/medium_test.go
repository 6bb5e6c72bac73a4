package medium

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/diskfs/go-diskfs/filesystem/fat16"
	"github.com/diskfs/go-diskfs/filesystem/iso9660"
	"github.com/diskfs/go-diskfs/partition/gpt"

	"github.com/entrylab/entrylab/boot/proto"
	"github.com/entrylab/entrylab/gen/layout"
)

func content() Content {
	return Content{
		EFI: bytes.Repeat([]byte("an EFI application"), 10_000),
		BIOS: proto.DiskConfig{
			Entry: 0x10_0000,
			Parts: []proto.Part{{Addr: 0x10_0000, Data: []byte("the kernel, as a test has it")}, {Addr: 0x20_0000, Data: bytes.Repeat([]byte("cpio"), 3000)}},
			BSS:   layout.MemRange[uint64]{Start: 0x11_0000, End: 0x11_1000},
		},
	}
}

// TestMedia reads the images back: two partitions, a volume with the application and the
// folder, and what a BIOS loads where its loader looks.
func TestMedia(t *testing.T) {
	for name, make := range map[string]func(Content) ([]byte, error){"stick": Stick, "CD": ISO} {
		t.Run(name, func(t *testing.T) {
			image, err := make(content())
			if err != nil {
				t.Fatal(err)
			}
			if again, err := make(content()); name == "stick" && (err != nil || !bytes.Equal(again, image)) {
				t.Errorf("the image of the same content is another one (error %v)", err)
			}
			m := memory(image)
			table, err := gpt.Read(m, sector, sector)
			if err != nil {
				t.Fatal(err)
			}
			if !table.ProtectiveMBR || table.RecoveredFromBackup || len(table.Partitions) != 2 {
				t.Fatalf("protective MBR %v, from the backup %v, %d partitions; want a whole GPT with 2", table.ProtectiveMBR, table.RecoveredFromBackup, len(table.Partitions))
			}
			if err := table.Verify(m, uint64(len(m))); err != nil {
				t.Errorf("the GPT and its copy: %v", err)
			}
			piece := func(i int) memory {
				p := table.Partitions[i]
				return m[p.Start*sector : (p.End+1)*sector]
			}
			fs, err := fat16.Read(piece(0), int64(len(piece(0))), 0, sector)
			if err != nil {
				t.Fatal(err)
			}
			if b, err := fs.ReadFile(loaderFolder[1:] + "/" + loaderName); err != nil || !bytes.Equal(b, content().EFI) {
				t.Errorf("the application has %d bytes, want %d (error %v)", len(b), len(content().EFI), err)
			}
			if list, err := fs.ReadDir(Folder); err != nil || len(list) != 0 {
				t.Errorf("the folder has %v (error %v)", list, err)
			}
			for _, p := range content().BIOS.Parts {
				if at := bytes.Index(piece(1), p.Data); at < 0 || at%proto.CDSector != 0 {
					t.Errorf("the part for %#x is at %d of its partition", p.Addr, at)
				}
			}
			if code := m[:440]; bytes.Equal(code, memory(bytes.Repeat([]byte{0}, 440))) {
				t.Error("no code in the first sector")
			}
		})
	}
}

// TestISO reads the file system of a CD.
func TestISO(t *testing.T) {
	image, err := ISO(content())
	if err != nil {
		t.Fatal(err)
	}
	fs, err := iso9660.Read(memory(image), int64(len(image)), 0, proto.CDSector)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{volumeFile, biosFile} {
		if b, err := fs.ReadFile(name); err != nil || len(b) == 0 {
			t.Errorf("file %s: %d bytes, %v", name, len(b), err)
		}
	}
}

// TestNoRest: an image leaves no file behind, also where it cannot be made.
func TestNoRest(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	if _, err := ISO(content()); err != nil {
		t.Fatal(err)
	}
	bad := content()
	bad.BIOS.Cmdline = strings.Repeat("x", layout.CmdlineMax)
	for _, make := range []func(Content) ([]byte, error){Stick, ISO} {
		if _, err := make(bad); err == nil || !strings.Contains(err.Error(), "the command line") {
			t.Errorf("a command line that is too long: %v", err)
		}
	}
	if rest, err := os.ReadDir(dir); err != nil || len(rest) > 0 {
		t.Errorf("%v remain (error %v)", rest, err)
	}
}
