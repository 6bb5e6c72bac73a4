package proto

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/gen/layout"
)

func testConfig() DiskConfig {
	return DiskConfig{
		Entry:   0x10_0000,
		Parts:   []Part{{Addr: 0x10_0000, Data: []byte("the kernel, as a test has it")}, {Addr: 0x20_0000, Data: bytes.Repeat([]byte("cpio"), 300)}},
		BSS:     layout.MemRange[uint64]{Start: 0x11_0000, End: 0x11_1000},
		Cmdline: "one two",
	}
}

// TestDisk checks where things stand in a disk image.
func TestDisk(t *testing.T) {
	image, err := Disk(testConfig())
	if err != nil {
		t.Fatal(err)
	}
	if len(image)%(16*63*512) != 0 {
		t.Errorf("the size is %d, no number of whole cylinders", len(image))
	}
	if image[510] != 0x55 || image[511] != 0xaa {
		t.Errorf("no signature: %x", image[510:512])
	}
	table := image[446:510]
	if table[0] != 0x80 || table[4] == 0 {
		t.Errorf("the first partition is %x, want it active and of some type", table[:16])
	}
	first, count := binary.LittleEndian.Uint32(table[8:]), binary.LittleEndian.Uint32(table[12:])
	if first != 1 || int(first+count)*512 != len(image) {
		t.Errorf("the partition is of %d sectors from %d, want 1 to the end", count, first)
	}
	if !bytes.Equal(table[16:], make([]byte, 48)) {
		t.Errorf("other partitions: %x", table[16:])
	}
	if got, _, _ := bytes.Cut(image[CmdlineOffset:], []byte{0}); string(got) != "one two" {
		t.Errorf("the command line is %q", got)
	}
	for _, p := range testConfig().Parts {
		if at := bytes.Index(image, p.Data); at < loaderOffset || at%512 != 0 {
			t.Errorf("the part for %#x is at %d, want the start of a sector behind the loader", p.Addr, at)
		}
	}
	if bytes.Count(image[:biosDataArea], []byte{0x90}) < biosDataArea-3 {
		t.Errorf("the area that BIOSes write to is %x, want NOPs", image[:biosDataArea])
	}
}

// TestDiskRefused checks what cannot be a disk image.
func TestDiskRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*DiskConfig)
		want   string
	}{
		{"long command line", func(c *DiskConfig) { c.Cmdline = strings.Repeat("x", 4096) }, "4096 bytes; want less than 4096"},
		{"zero byte", func(c *DiskConfig) { c.Cmdline = "a\x00b" }, "zero byte"},
		{"many parts", func(c *DiskConfig) { c.Parts = make([]Part, 2000) }, "does not fit in 16 bits"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := testConfig()
			tt.change(&c)
			if _, err := Disk(c); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v; want %q", err, tt.want)
			}
		})
	}
}

// TestBootSectorSize tells how much room is left in the boot sector.
func TestBootSectorSize(t *testing.T) {
	c := testConfig()
	first, second, err := c.Boot(Medium{Sector: sectorSize})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("boot sector %d of %d bytes, loader %d", len(first), bootCodeSize, len(second)-layout.CmdlineMax)
}

// TestSumZero: whichever word is free to choose, the sum becomes 0, and another one is not.
func TestSumZero(t *testing.T) {
	words := make([]byte, 4096)
	for i := range words {
		words[i] = byte(i * i >> 3)
	}
	for _, at := range []int{0, 4, 2048, 4092} {
		SumZero(words, at)
		if got := Sum(words); got != 0 {
			t.Errorf("with the word at %d the sum is %#x", at, got)
		}
		words[100] ^= 1
		if Sum(words) == 0 {
			t.Errorf("the sum does not see a bit")
		}
	}
}
