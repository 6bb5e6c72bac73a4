// Package gdb speaks the part of gdb's remote serial protocol that stops QEMU at an
// instruction, inspects the machine and changes it. Package trace follows calls with it,
// and package events raises events.
//
// A packet is $data#sum, where sum is the sum of the bytes modulo 256 in two hex digits.
// The other side answers it by + (gdb's manual, appendix E).
package gdb

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Stub is a connection to a machine's gdb stub.
type Stub struct {
	w io.Writer
	r io.ByteReader
}

// New returns the stub at the other end of the connection.
func New(conn io.ReadWriter) *Stub { return &Stub{conn, bufio.NewReader(conn)} }

// taken waits until the stub has taken a packet.
func (s *Stub) taken(data string) error {
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

// receive waits for a packet and acknowledges it.
func (s *Stub) receive() (string, error) {
	data, err := s.packet()
	if err == nil {
		_, err = s.w.Write([]byte{'+'})
	}
	return data, err
}

// packet waits for a packet.
func (s *Stub) packet() (string, error) {
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
		return string(data), nil
	}
}

func sum(data string) (n uint8) {
	for i := range len(data) {
		n += data[i]
	}
	return n
}

// ask sends a packet and returns the answer.
func (s *Stub) ask(data string) (string, error) {
	answers, err := s.together(data)
	if err != nil {
		return "", err
	}
	return answers[0], nil
}

// order sends packets whose answer must be OK.
func (s *Stub) order(packets ...string) error {
	answers, err := s.together(packets...)
	return errors.Join(accepted(packets, answers), err)
}

// accepted reports the packet that was not answered by OK.
func accepted(packets, answers []string) error {
	for i, answer := range answers[:min(len(answers), len(packets))] {
		if answer != "OK" {
			return fmt.Errorf("gdb stub: %q was answered by %q, want OK", packets[i], answer)
		}
	}
	return nil
}

// together sends packets at once and returns the answers. The last answer is not
// acknowledged: the next packet does that too, and a + would stop a machine that the last
// packet has let run.
func (s *Stub) together(packets ...string) (answers []string, err error) {
	var all strings.Builder
	for _, data := range packets {
		fmt.Fprintf(&all, "$%s#%02x", data, sum(data))
	}
	if _, err := io.WriteString(s.w, all.String()); err != nil {
		return nil, err
	}
	for i, data := range packets {
		if err := s.taken(data); err != nil {
			return answers, err
		}
		receive := s.packet
		if i == len(packets)-1 {
			receive = s.receive
		}
		answer, err := receive()
		if err != nil {
			return answers, err
		}
		answers = append(answers, answer)
	}
	return answers, nil
}

// ErrEnded means that the machine has ended.
var ErrEnded = errors.New("the machine ended under the debugger")

// Step runs one instruction. No interrupt arrives in it: a pending one arrives with the
// next Continue.
func (s *Stub) Step() error { return s.run("s") }

// WriteStep does WriteWords and Step at once.
func (s *Stub) WriteStep(addrs, words []uint64) error { return s.run("s", writes(addrs, words)...) }

// Continue lets the machine run until a breakpoint.
func (s *Stub) Continue() error { return s.run("c") }

// run lets the machine run, behind packets that are answered by OK.
func (s *Stub) run(how string, before ...string) error {
	answers, err := s.together(append(before, how)...)
	if err != nil {
		return err
	}
	if err := accepted(before, answers); err != nil {
		return err
	}
	switch answer := answers[len(before)]; {
	case len(answer) >= 3 && answer[:1] == "T" && answer[1:3] == "05": // SIGTRAP
		return nil
	case len(answer) > 0 && (answer[0] == 'W' || answer[0] == 'X'):
		return ErrEnded
	default:
		return fmt.Errorf("gdb stub: %q was answered by %q, want a stop at a breakpoint", how, answer)
	}
}

// Interrupt stops a machine that still runs after a Continue has given up waiting.
func (s *Stub) Interrupt() error {
	if _, err := io.WriteString(s.w, "\x03"); err != nil {
		return err
	}
	_, err := s.receive() // the signal with which it stops
	return err
}

// Break sets breakpoints on the instructions at addrs. A Continue that begins at one of
// them stops there at once.
func (s *Stub) Break(addrs ...uint64) error { return s.order(breakpoints("Z0", addrs)...) }

// Unbreak removes breakpoints.
func (s *Stub) Unbreak(addrs ...uint64) error { return s.order(breakpoints("z0", addrs)...) }

func breakpoints(what string, addrs []uint64) (packets []string) {
	for _, addr := range addrs {
		packets = append(packets, fmt.Sprintf("%s,%x,1", what, addr))
	}
	return packets
}

// Detach lets the machine continue by itself. All breakpoints must be removed before: QEMU
// would stop at one with nobody there to see it. The answer is not acknowledged: by then the
// machine may have ended, and the connection with it.
func (s *Stub) Detach() error {
	const packet = "D"
	if _, err := fmt.Fprintf(s.w, "$%s#%02x", packet, sum(packet)); err != nil {
		return err
	}
	if err := s.taken(packet); err != nil {
		return err
	}
	answer, err := s.packet()
	if err != nil {
		return err
	}
	return accepted([]string{packet}, []string{answer})
}

// Memory reads n bytes at a virtual address.
func (s *Stub) Memory(addr uint64, n int) ([]byte, error) {
	answer, err := s.ask(fmt.Sprintf("m%x,%x", addr, n))
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(answer, "E") {
		return nil, fmt.Errorf("%w: %d bytes at %#x: %s", ErrUnmapped, n, addr, answer)
	}
	b, err := hex.DecodeString(answer)
	if err != nil || len(b) != n {
		return nil, fmt.Errorf("gdb stub: %d bytes at %#x are %q", n, addr, answer)
	}
	return b, nil
}

// Write writes words at a virtual address.
func (s *Stub) Write(addr uint64, words ...uint64) error {
	const most = 128 // in a packet
	// QEMU hangs up when a socket has no room for an answer, and of small ones, two for a
	// packet, that is so after some 250.
	const atOnce = 64
	var packets []string
	for part := range slices.Chunk(words, most) {
		var b []byte
		for _, w := range part {
			b = binary.LittleEndian.AppendUint64(b, w)
		}
		packets = append(packets, fmt.Sprintf("M%x,%x:%x", addr, len(b), b))
		addr += uint64(len(b))
	}
	for some := range slices.Chunk(packets, atOnce) {
		if err := s.order(some...); err != nil {
			return err
		}
	}
	return nil
}

// Physical makes Words and WriteWords take physical addresses, for the rest of the
// session.
func (s *Stub) Physical() error { return s.order("Qqemu.PhyMemMode:1") }

// Words reads the words at addresses.
func (s *Stub) Words(addrs []uint64) ([]uint64, error) {
	packets := reads(addrs)
	answers, err := s.together(packets...)
	if err != nil {
		return nil, err
	}
	return wordsOf(packets, answers)
}

// WriteWords writes words at addresses.
func (s *Stub) WriteWords(addrs, words []uint64) error { return s.order(writes(addrs, words)...) }

// reads returns the packets that read words; those that follow each other are read at once.
func reads(addrs []uint64) (packets []string) {
	for _, run := range runs(addrs) {
		packets = append(packets, fmt.Sprintf("m%x,%x", run[0], 8*len(run)))
	}
	return packets
}

// wordsOf returns the words with which the stub answers the packets of reads.
func wordsOf(packets, answers []string) (words []uint64, err error) {
	for i, answer := range answers {
		b, err := hex.DecodeString(answer)
		if err != nil || len(b) == 0 || len(b)%8 != 0 {
			return nil, fmt.Errorf("gdb stub: %q was answered by %q, want words", packets[i], answer)
		}
		for ; len(b) > 0; b = b[8:] {
			words = append(words, binary.LittleEndian.Uint64(b))
		}
	}
	return words, nil
}

// writes returns the packets that write words.
func writes(addrs, words []uint64) (packets []string) {
	for _, run := range runs(addrs) {
		var b []byte
		for _, w := range words[:len(run)] {
			b = binary.LittleEndian.AppendUint64(b, w)
		}
		words = words[len(run):]
		packets = append(packets, fmt.Sprintf("M%x,%x:%x", run[0], len(b), b))
	}
	return packets
}

// runs cuts a list of addresses where one word does not follow the other.
func runs(addrs []uint64) (list [][]uint64) {
	const most = 128 // in a packet
	for from := 0; from < len(addrs); {
		to := from + 1
		for to < len(addrs) && to-from < most && addrs[to] == addrs[to-1]+8 {
			to++
		}
		list, from = append(list, addrs[from:to]), to
	}
	return list
}

// WritePhysical writes a 32-bit word at a physical address, which may belong to a device.
func (s *Stub) WritePhysical(addr uint64, word uint32) error {
	return s.order(
		"Qqemu.PhyMemMode:1",
		fmt.Sprintf("M%x,4:%x", addr, binary.LittleEndian.AppendUint32(nil, word)),
		"Qqemu.PhyMemMode:0",
	)
}

// MemoryPhysical reads n bytes at a physical address.
func (s *Stub) MemoryPhysical(addr uint64, n int) ([]byte, error) {
	if err := s.order("Qqemu.PhyMemMode:1"); err != nil {
		return nil, err
	}
	b, err := s.Memory(addr, n)
	return b, errors.Join(err, s.order("Qqemu.PhyMemMode:0"))
}
