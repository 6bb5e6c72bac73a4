package vm

import "strings"

// Media is what the image of a disk is in.
type Media string

// The media. The empty string is HardDisk.
const (
	// HardDisk is a disk on the machine's own controller.
	HardDisk Media = ""
	// CD is a disc in a drive on that controller; it cannot be written to.
	CD Media = "CD"
	// Stick is a USB stick.
	Stick Media = "stick"
)

// drive returns the QEMU arguments for the disk.
func (c *Config) drive() []string {
	options := "format=raw"
	if !c.Keep { // a snapshot, so that one image can be booted many times at once
		options += ",snapshot=on"
	}
	options += ",file=" + strings.ReplaceAll(c.Disk, ",", ",,")
	if c.Media == CD {
		return []string{"-drive", "media=cdrom," + options}
	}
	if c.Media == Stick {
		return []string{
			"-device", "qemu-xhci", "-drive", "if=none,id=stick," + options,
			"-device", "usb-storage,drive=stick,removable=on",
		}
	}
	return []string{"-drive", options}
}
