package medium

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/diskfs/go-diskfs/filesystem/iso9660"

	"github.com/entrylab/entrylab/boot/proto"
)

// Files of a CD: the names are those of ISO 9660.
const (
	volumeFile = "ESP.IMG"
	biosFile   = "BIOS.IMG"
)

// ISO returns the image of a CD, which can also be written to a stick.
func ISO(c Content) ([]byte, error) {
	b, err := newBIOS(c.BIOS, 0)
	if err != nil {
		return nil, err
	}
	// The library takes files from a folder and says where it put them. Their content
	// comes later: it would be copied twice.
	dir, err := os.MkdirTemp("", "entrylab-iso-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	volume := volumeSize(c)
	for name, size := range map[string]int{volumeFile: volume, biosFile: b.size} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			return nil, err
		}
		if err := os.Truncate(path, int64(size)); err != nil {
			return nil, err
		}
	}
	m := &growing{make(memory, 0, volume+b.size+mib)}
	fs, err := iso9660.Create(m, 0, 0, proto.CDSector, dir)
	if err != nil {
		return nil, fmt.Errorf("ISO 9660: %w", err)
	}
	err = fs.Finalize(iso9660.FinalizeOptions{
		VolumeIdentifier: label,
		ElTorito: &iso9660.ElTorito{HideBootCatalog: true, Entries: []*iso9660.ElToritoEntry{
			{Platform: iso9660.BIOS, Emulation: iso9660.NoEmulation, BootFile: biosFile},
			{Platform: iso9660.EFI, Emulation: iso9660.NoEmulation, BootFile: volumeFile},
		}},
	})
	if err != nil {
		return nil, fmt.Errorf("ISO 9660: %w", err)
	}
	if fs, err = iso9660.Read(m, int64(len(m.memory)), 0, proto.CDSector); err != nil {
		return nil, fmt.Errorf("ISO 9660: %w", err)
	}
	at := map[string]int{}
	for _, name := range []string{volumeFile, biosFile} {
		f, err := fs.OpenFile("/"+name, os.O_RDONLY)
		if err != nil {
			return nil, fmt.Errorf("ISO 9660: %w", err)
		}
		at[name] = int(f.(*iso9660.File).Location()) * proto.CDSector
	}
	if b, err = newBIOS(c.BIOS, at[biosFile]); err != nil {
		return nil, err
	}
	image := append(m.memory, make([]byte, up(len(m.memory)+gptEnd, proto.CDSector)-len(m.memory))...)
	start := at[volumeFile]
	if err := writeVolume(image[start:start+volume], c); err != nil {
		return nil, err
	}
	return image, b.writeStick(image, span{start, volume}, c.EFI)
}
