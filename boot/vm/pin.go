package vm

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// PinCPU returns the CPU of this host that a machine's CPU should keep to: the last that
// this process may use, as the first gets most of a host's interrupts.
func PinCPU() (int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return 0, fmt.Errorf("sched_getaffinity: %w", err)
	}
	for cpu := 64*len(set) - 1; cpu >= 0; cpu-- {
		if set.IsSet(cpu) {
			return cpu, nil
		}
	}
	return 0, errors.New("sched_getaffinity names no CPU")
}

// pin lets a machine go that QEMU has stopped before its first instruction, with the thread
// of its CPU on one CPU of this host. qmp is QEMU's machine protocol.
func pin(qmp *os.File, cpu int) error {
	answers := json.NewDecoder(qmp)
	ask := func(command string, into any) error {
		if command != "" {
			if _, err := fmt.Fprintf(qmp, `{"execute": %q}`+"\n", command); err != nil {
				return fmt.Errorf("QEMU's machine protocol, %s: %w", command, err)
			}
		}
		for {
			var answer struct {
				Greeting json.RawMessage `json:"QMP"`
				Return   json.RawMessage `json:"return"`
				Error    *struct {
					Desc string `json:"desc"`
				} `json:"error"`
			}
			err := answers.Decode(&answer)
			switch {
			case err != nil:
				return fmt.Errorf("QEMU's machine protocol, %s: %w", command, err)
			case answer.Error != nil:
				return fmt.Errorf("QEMU refuses %s: %s", command, answer.Error.Desc)
			case answer.Greeting != nil && command == "":
				return nil
			case answer.Return != nil && into != nil:
				return json.Unmarshal(answer.Return, into)
			case answer.Return != nil:
				return nil
			} // else an event
		}
	}
	var cpus []struct {
		Thread int `json:"thread-id"`
	}
	for _, step := range []struct {
		command string // empty: QEMU speaks first
		into    any
	}{{"", nil}, {"qmp_capabilities", nil}, {"query-cpus-fast", &cpus}} {
		if err := ask(step.command, step.into); err != nil {
			return err
		}
	}
	if len(cpus) != 1 {
		return fmt.Errorf("QEMU tells of %d CPUs, want 1", len(cpus))
	}
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(cpus[0].Thread, &set); err != nil {
		return fmt.Errorf("the machine's CPU cannot be kept on CPU %d: sched_setaffinity: %w", cpu, err)
	}
	return ask("cont", nil)
}
