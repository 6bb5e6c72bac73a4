package vmtests

import (
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/entrylab/entrylab/boot"
	kernel "github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/stubs"
)

// TestScreenCodes boots the guest where no file can be written, and takes pictures of the QR
// codes on the screen: together they are a boot, and without one of them none. It runs with
// -boots alone.
func TestScreenCodes(t *testing.T) {
	if !*allBoots {
		return // it takes a minute
	}
	t.Parallel()
	needOVMF(t)
	m := machine(t, vm.TCG)
	m.Machine, m.UEFI, m.Extra, m.MemoryMiB = vm.Q35, true, []string{"-device", "VGA"}, 256
	m, err := boot.Prepare(t.Context(), boot.Config{Variants: []stubs.Variant{linux319(t)}, Format: kernel.EFI, Args: []string{"sample", "-samples=20"}, VM: m})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var photos []string
	whole := false
	watch(t, m, "SUMMARY: ", func(take func() shot) {
		const most = 100
		var last shot
		for i := 0; i < most && !whole; i++ {
			time.Sleep(time.Second) // a code stays for ten
			s := take()
			if slices.Equal(s.rgb, last.rgb) {
				continue
			}
			last = s
			path := filepath.Join(dir, strconv.Itoa(i)+".png")
			s.save(t, path)
			if _, _, err := engine.Consoles(t.Context(), []string{path}); err != nil && strings.Contains(err.Error(), "there is no QR code") {
				continue // the table
			}
			photos = append(photos, path)
			boots, _, err := engine.Consoles(t.Context(), photos)
			whole = err == nil && len(boots) == 1
		}
	})
	if !whole || len(photos) < 2 {
		t.Fatalf("%d photos of QR codes are no whole boot", len(photos))
	}
	if boots, damaged, err := engine.Consoles(t.Context(), photos[1:]); err == nil || len(boots) > 0 || len(damaged) != 1 || !strings.Contains(damaged[0], "is missing") {
		t.Errorf("without the first of them: %d boots, %v, %v", len(boots), damaged, err)
	}
}

// save writes the shot as a picture.
func (s shot) save(t *testing.T, path string) {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, s.width, s.height))
	for i := range s.width * s.height {
		img.Set(i%s.width, i/s.width, color.RGBA{s.rgb[3*i], s.rgb[3*i+1], s.rgb[3*i+2], 0xff})
	}
	f, err := os.Create(path)
	if err == nil {
		err = png.Encode(f, img)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}
