package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/stubs"
)

// kernelSubjects is the part of a help text about subjects that are real kernels.
const kernelSubjects = `A Linux kernel is a subject too: its file, a vmlinuz or bzImage, with a slash in
its path, and in the same argument the words to boot it with, if there are any.`

// subjects are what a command measures or follows, in the order in which they were
// given.
type subjects struct {
	variants []stubs.Variant
	kernels  []*engine.Linux
	// names are those of both, as figures carry them.
	names []string
}

// readSubjects reads subjects, none of them twice. words are for the command line of each
// kernel.
func readSubjects(ctx context.Context, args []string, words string) (subjects, error) {
	var s subjects
	at := map[*engine.Linux]int{}
	for _, arg := range args {
		path, own, kernel := kernelFile(arg)
		if !kernel {
			list, err := eachVariant(ctx, []string{arg})
			if err != nil {
				return s, err
			}
			if slices.Contains(s.names, list[0].Name) {
				return s, fmt.Errorf("variant %s is named twice", list[0].Name)
			}
			s.variants, s.names = append(s.variants, list[0]), append(s.names, list[0].Name)
			continue
		}
		l, err := engine.NewLinux(ctx, path, strings.TrimSpace(own+" "+words))
		if err != nil {
			return s, err
		}
		at[l] = len(s.names)
		s.kernels, s.names = append(s.kernels, l), append(s.names, l.Name())
	}
	if words != "" && len(s.kernels) == 0 {
		return s, errors.New("-append is for a Linux kernel")
	}
	if err := engine.NameApart(s.kernels); err != nil {
		return s, err
	}
	for l, i := range at {
		s.names[i] = l.Name()
	}
	return s, nil
}

// kernelFile takes a subject that is a real kernel apart: the path of its file, which has
// a slash in it and is not that of a stub for the assembler, and the words behind it.
func kernelFile(subject string) (path, words string, ok bool) {
	path = subject
	if _, err := os.Stat(path); err != nil {
		path, words, _ = strings.Cut(subject, " ")
	}
	ext := strings.ToLower(filepath.Ext(path))
	return path, strings.TrimSpace(words), strings.Contains(path, "/") && ext != ".s" && ext != ".asm"
}

// wordsFlag returns the flag for words that each real kernel boots with.
func wordsFlag(words *string) cli.Flag {
	return &cli.StringFlag{Name: "append", Usage: "further `WORDS` for each Linux kernel's command line", Destination: words}
}

// counting chooses the engine for real kernels where the user leaves the choice, and
// refuses one that the user has chosen if it cannot compare them: two kernels cannot take
// turns in one boot, so only exact counts compare them.
func (s subjects) counting(m *machineFlags) error {
	if len(s.kernels) == 0 {
		return nil
	}
	if m.engine == engine.Auto {
		m.engine = string(vm.ICount)
	}
	if en, ok := engine.Find(m.engine); ok && s.apart(en) != "" {
		return fmt.Errorf("-engine %s: %s", en.Name, s.apart(en))
	}
	return nil
}

// apart says why an engine cannot compare the subjects, as one is a real kernel; empty:
// it can.
func (s subjects) apart(en engine.Engine) string {
	switch {
	case len(s.kernels) == 0 || en.VM == vm.ICount || en.Cuts:
		return ""
	case en.Kind == engine.Exact && en.VM != "":
		return "it boots a disk image, which only a generated kernel has: use -engine icount"
	case en.Kind == engine.Exact:
		return "it reads the code of generated kernels, and not that of a real one: use -engine icount"
	}
	return "two real kernels cannot take turns in one boot, so only exact counts compare them, and the cycles of their assembly alone: use icount, or replay; for the cycles of a call boot this machine with each, and use compare -engine host"
}

// onNextMachine runs what boots real kernels and, if one does not boot on the default
// machine, which lacks what other machines have, runs it again on the next best unless
// the fault is the kernel's.
func (e *env) onNextMachine(m *vm.Machine, run func() error) error {
	err := run()
	failed, ok := errors.AsType[*engine.BootError](err)
	if !ok || failed.Everywhere || failed.Machine != vm.MicroVM {
		return err
	}
	*m = vm.PC
	again := run()
	switch also, ok := errors.AsType[*engine.BootError](again); {
	case again == nil:
		e.remark("%v; on machine %s it does", failed, vm.PC)
		return nil
	case ok:
		return fmt.Errorf("%w; nor on machine %s: %s", failed, also.Machine, also.Why)
	}
	return again
}
