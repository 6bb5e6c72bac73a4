package vmtests

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/authenticode"
	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/stubs"
)

// The firmware and the keys for Secure Boot of Debian's package ovmf. The private key has
// a passphrase, which its documentation tells.
const (
	secureCode = "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"
	secureVars = "/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd"
	secureKey  = "/usr/share/ovmf/PkKek-1-snakeoil.key"
	secureCert = "/usr/share/ovmf/PkKek-1-snakeoil.pem"
)

// TestSecureBoot boots sticks with Secure Boot on: one that is signed, one that is not,
// and one that was changed after it was signed.
func TestSecureBoot(t *testing.T) {
	t.Parallel()
	for _, file := range []string{secureCode, secureVars, secureKey, secureCert} {
		if _, err := os.Stat(file); err != nil {
			need.Missing(t, err.Error())
		}
	}
	need.Tool(t, "openssl")
	key, err := exec.CommandContext(t.Context(), "openssl", "pkey", "-in", secureKey, "-passin", "pass:snakeoil").Output()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := os.ReadFile(secureCert)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := authenticode.NewSigner(key, cert)
	if err != nil {
		t.Fatal(err)
	}
	init := program(t, "words")
	archive, err := boot.Initramfs(t.Context(), init)
	if err != nil {
		t.Fatal(err)
	}
	kernel, err := image.Build(image.Config{Variants: []stubs.Variant{linux319(t)}, Initramfs: archive})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		always bool // not with -boots alone
		signer *authenticode.Signer
		change bool
		boots  bool
	}{
		{name: "signed", always: true, signer: signer, boots: true},
		{name: "not signed"},
		{name: "changed", signer: signer, change: true},
	} {
		if !tt.always && !*allBoots {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			disk, err := kernel.File(image.Disk, "", tt.signer)
			if err != nil {
				t.Fatal(err)
			}
			if tt.change {
				at := bytes.Index(disk, []byte("070701")) // in the application's initramfs
				disk[at+len(archive)/2] ^= 1
			}
			m := machine(t, vm.TCG)
			m.Machine, m.UEFI, m.Media, m.Keep, m.MemoryMiB = vm.Q35, true, vm.Stick, true, 256
			m.Disk = filepath.Join(t.TempDir(), "stick.img")
			if err := os.WriteFile(m.Disk, disk, 0o600); err != nil {
				t.Fatal(err)
			}
			line, err := vm.CommandLine(m)
			if err != nil {
				t.Fatal(err)
			}
			line = strings.NewReplacer("OVMF_CODE_4M.fd", filepath.Base(secureCode), "OVMF_VARS_4M.fd", filepath.Base(secureVars),
				"-M q35", "-M q35,smm=on -global driver=cfi.pflash01,property=secure,value=on").Replace(line)
			// A firmware that starts nothing waits for ever, but what it says ends with a reason.
			out := &until{text: "Access Denied", cmd: exec.CommandContext(t.Context(), "sh", "-c", "exec "+line)}
			out.cmd.Stdout = out
			_ = out.cmd.Run() // its status says nothing if it was killed
			booted := strings.Contains(out.seen.String(), "HOME=/\nTERM=linux\n"+answerWritten)
			if refused := strings.Contains(out.seen.String(), out.text); booted != tt.boots || refused == tt.boots {
				t.Errorf("%s\nsays %q; booted %v, want %v; refused %v", line, out.seen.String(), booted, tt.boots, refused)
			}
		})
	}
}

// until ends a command that has written a text.
type until struct {
	text string
	cmd  *exec.Cmd
	seen bytes.Buffer
}

func (u *until) Write(b []byte) (int, error) {
	u.seen.Write(b)
	if strings.Contains(u.seen.String(), u.text) {
		_ = u.cmd.Process.Kill() // it may have ended
	}
	return len(b), nil
}
