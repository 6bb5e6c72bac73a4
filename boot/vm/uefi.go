package vm

import (
	"errors"
	"os"
)

// ErrNoOVMF means that this host has no UEFI firmware for machines.
var ErrNoOVMF = errors.New("OVMF not found: apt-get install ovmf")

// ovmfFiles are the paths where distributions put OVMF: its code, and its variables for
// a machine that never booted.
var ovmfFiles = [][2]string{
	{"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"},         // Debian
	{"/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"},     // Fedora
	{"/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"}, // Arch
}

// Firmware reports that this host has no UEFI firmware for machines, or returns nil.
func Firmware() error {
	_, err := ovmf()
	return err
}

// ovmf returns the QEMU arguments for OVMF as the firmware. The machine's writes
// to its variables are lost.
func ovmf() ([]string, error) {
	for _, f := range ovmfFiles {
		if _, err := os.Stat(f[0]); err != nil {
			continue
		}
		if _, err := os.Stat(f[1]); err == nil {
			return []string{
				"-drive", "if=pflash,format=raw,readonly=on,file=" + f[0],
				"-drive", "if=pflash,format=raw,snapshot=on,file=" + f[1],
			}, nil
		}
	}
	return nil, ErrNoOVMF
}
