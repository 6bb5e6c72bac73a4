package vm

import (
	"bytes"
	"context"
	"errors"
	"os/exec"

	"github.com/entrylab/entrylab/internal/bounded"
)

// ErrNoFRED means that this host's Bochs was built without FRED, Intel's flexible
// return and event delivery.
var ErrNoFRED = errors.New("this Bochs was built without FRED: build Bochs 3.1 or later from its source")

// bochsFile is the program, most of it code.
var bochsFile = bounded.Kind{Thing: "Bochs", Most: 256 << 20, Regular: true, Advice: "install Bochs again"}

// BochsFRED returns nil if this host's Bochs emulates FRED. The version does not tell:
// Debian's 3.1 shows FRED in CPUID and was built without it. A program that has it
// knows the name of its instruction ERETU.
func BochsFRED(ctx context.Context) error {
	program, _ := bochsProgram()
	path, err := exec.LookPath(program)
	if err != nil {
		return findBochs()
	}
	return fredIn(ctx, path)
}

func fredIn(ctx context.Context, path string) error {
	program, err := bochsFile.ReadFile(ctx, path)
	if err != nil {
		return err
	}
	if !bytes.Contains(bytes.ToUpper(program), []byte("ERETU")) {
		return ErrNoFRED
	}
	return nil
}
