package trace

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// stub speaks the remote serial protocol of gdb with QEMU: as much of it as it
// takes to follow a call. Every packet is $data#sum, the sum two hex digits of
// the bytes' sum modulo 256, and the other side answers + to it.
type stub struct {
	w io.Writer
	r io.ByteReader
}

// send sends a packet and waits until it was taken.
func (s stub) send(data string) error {
	if _, err := fmt.Fprintf(s.w, "$%s#%02x", data, sum(data)); err != nil {
		return err
	}
	for {
		switch c, err := s.r.ReadByte(); {
		case err != nil:
			return fmt.Errorf("gdb stub: no answer to %q: %w", data, err)
		case c == '+':
			return nil
		case c == '-':
			return fmt.Errorf("gdb stub: %q was not received whole", data)
		}
	}
}

// receive waits for a packet.
func (s stub) receive() (string, error) {
	var data []byte
	for begun := false; ; {
		c, err := s.r.ReadByte()
		switch {
		case err != nil:
			return "", fmt.Errorf("gdb stub: %w", err)
		case c == '$':
			begun, data = true, nil
			continue
		case c != '#' && begun:
			data = append(data, c)
			continue
		case !begun:
			continue
		}
		var digits [2]byte
		for i := range digits {
			if digits[i], err = s.r.ReadByte(); err != nil {
				return "", fmt.Errorf("gdb stub: %w", err)
			}
		}
		if want := fmt.Sprintf("%02x", sum(string(data))); want != string(digits[:]) {
			return "", fmt.Errorf("gdb stub: a packet's sum is %s, want %s", digits, want)
		}
		_, err = s.w.Write([]byte{'+'})
		return string(data), err
	}
}

func sum(data string) (n uint8) {
	for i := range len(data) {
		n += data[i]
	}
	return n
}

// ask sends a packet and returns the answer.
func (s stub) ask(data string) (string, error) {
	if err := s.send(data); err != nil {
		return "", err
	}
	return s.receive()
}

// errEnded means that the machine has ended.
var errEnded = errors.New("the machine ended before all calls were seen")

// run lets the machine go on until it stops again: after one instruction (s)
// or at a breakpoint (c).
func (s stub) run(how string) error {
	answer, err := s.ask(how)
	switch {
	case err != nil:
		return err
	case len(answer) >= 3 && answer[:1] == "T" && answer[1:3] == "05": // SIGTRAP
		return nil
	case len(answer) > 0 && (answer[0] == 'W' || answer[0] == 'X'):
		return errEnded
	}
	return fmt.Errorf("gdb stub: %q was answered by %q, want a stop at a breakpoint", how, answer)
}

// breakpoint sets one.
func (s stub) breakpoint(addr uint64) error {
	answer, err := s.ask(fmt.Sprintf("Z0,%x,1", addr))
	if err == nil && answer != "OK" {
		err = fmt.Errorf("gdb stub: a breakpoint was answered by %q", answer)
	}
	return err
}

// detach lets the machine go on by itself.
func (s stub) detach() error {
	answer, err := s.ask("D")
	if err == nil && answer != "OK" {
		err = fmt.Errorf("gdb stub: a detach was answered by %q", answer)
	}
	return err
}

// registers are those that a trace needs.
type registers struct{ rax, rip uint64 }

// ripIndex is RIP's place behind the 16 general registers (gdb's
// features/i386/64bit-core.xml).
const ripIndex = 16

func (s stub) registers() (registers, error) {
	answer, err := s.ask("g")
	if err != nil {
		return registers{}, err
	}
	b, err := hex.DecodeString(answer[:min(len(answer), 16*(ripIndex+1))])
	if err != nil || len(b) < 8*(ripIndex+1) {
		return registers{}, fmt.Errorf("gdb stub: registers are %q", answer)
	}
	return registers{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8*ripIndex:])}, nil
}
