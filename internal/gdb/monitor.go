package gdb

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
)

// Monitor runs a command of QEMU's monitor that prints nothing. What one prints is an
// error: the monitor has no other way to tell of one.
func (s *Stub) Monitor(command string) error {
	const output = "O" // a packet of it, but for OK
	answer, err := s.ask("qRcmd," + hex.EncodeToString([]byte(command)))
	var said []byte
	for err == nil && answer != "OK" {
		digits, ok := strings.CutPrefix(answer, output)
		text, bad := hex.DecodeString(digits)
		if !ok || bad != nil {
			return fmt.Errorf("gdb stub: the monitor's command %q was answered by %q, want OK", command, answer)
		}
		said = append(said, text...)
		answer, err = s.receive()
	}
	if err == nil && len(said) > 0 {
		err = fmt.Errorf("gdb stub: the monitor's command %q: %s", command, bytes.TrimSpace(said))
	}
	return err
}
