package linux

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// needed are the options without which the guest cannot be the init of a kernel, each
// with what it is for. A kernel that carries its configuration (CONFIG_IKCONFIG) is held
// against them.
var needed = []struct{ option, what string }{
	{"CONFIG_64BIT", "programs of 64 bits"},
	{"CONFIG_PRINTK", "messages"},
	{"CONFIG_TTY", "a console"},
	{"CONFIG_SERIAL_8250_CONSOLE", "a console on the serial line"},
	{"CONFIG_BLK_DEV_INITRD", "an initramfs"},
	{"CONFIG_BINFMT_ELF", "programs"},
	{"CONFIG_FUTEX", "the threads of init"},
}

// signs are what a kernel prints that cannot go on, what that means, and whether it is
// so on every machine.
var signs = []struct {
	text, means string
	everywhere  bool
}{
	{"This kernel requires the following features not present on the CPU", "the CPU lacks what it requires: give another -cpu", true},
	{"Failed to execute /init (error -8)", "it does not run ELF programs of 64 bits (CONFIG_BINFMT_ELF)", true},
	{"Unable to mount root fs", "it found no init in the initramfs (CONFIG_BLK_DEV_INITRD)", true},
	{"No working init found", "it found no init in the initramfs (CONFIG_BLK_DEV_INITRD)", true},
	{"unable to open an initial console", "its init has no console: no driver is there for that on the serial line (CONFIG_SERIAL_8250_CONSOLE)", true},
	{"IO-APIC + timer doesn't work", "its timer does not work on this machine: give another -machine", false},
	{"Out of memory and no killable processes", "it has too little memory: give more (-memory)", true},
	{"System is deadlocked on memory", "it has too little memory: give more (-memory)", true},
}

// panics is how a kernel begins to say that it has stopped.
const panics = "Kernel panic - not syncing: "

// Lacks says why a kernel did not come to the end of its init, by what it printed on its
// console, and by its configuration and its compressed part; empty if they do not show
// it. everywhere is set if it can come to it on no other machine either.
func (im *Image) Lacks(ctx context.Context, console string) (why string, everywhere bool) {
	for _, s := range signs {
		if strings.Contains(console, s.text) {
			return s.means, s.everywhere
		}
	}
	if _, text, ok := strings.Cut(console, panics); ok {
		line, _, _ := strings.Cut(text, "\n")
		return "it panics: " + strings.TrimSpace(line), false
	}
	config, err := im.Config(ctx)
	if err != nil && !errors.Is(err, errLZMA) {
		return strings.TrimPrefix(err.Error(), im.Path+": "), true
	}
	if missing := lacking(config); missing != "" {
		return missing, true
	}
	if strings.TrimSpace(console) == "" {
		return "it printed nothing: it has no console on the serial line (CONFIG_SERIAL_8250_CONSOLE), or it stopped before that", false
	}
	return "", false
}

// lacking names the options that are off in a configuration; nil is unknown.
func lacking(config map[string]string) string {
	if config == nil {
		return ""
	}
	var list []string
	for _, n := range needed {
		if config[n.option] != "y" {
			list = append(list, fmt.Sprintf("%s (%s)", n.option, n.what))
		}
	}
	if len(list) == 0 {
		return ""
	}
	return "it lacks " + strings.Join(list, ", ")
}
