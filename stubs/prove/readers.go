package prove

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/stubs"
)

// Reader is an instruction that reads or writes a per-CPU word in which a variant may keep
// the user's RSP.
type Reader struct {
	Where
	Word  string // as package layout names it
	Write bool
}

// String returns the instruction and what it does in one line.
func (r Reader) String() string {
	verb := "reads"
	if r.Write {
		verb = "writes"
	}
	return fmt.Sprintf("%v %s %s", r.Where, verb, r.Word)
}

// gsPrefix is the prefix byte of an operand relative to GS, and prefixes are all bytes that
// may stand before an instruction's REX prefix and opcode (SDM volume 2, 2.1.1).
const gsPrefix = 0x65

var prefixes = []byte{0xf0, 0xf2, 0xf3, 0x2e, 0x36, 0x3e, 0x26, 0x64, gsPrefix, 0x66, 0x67}

// byGS reports whether an instruction has the prefix, which the same byte in an address is
// not.
func byGS(code []byte) bool {
	for _, b := range code {
		if b == gsPrefix || bytes.IndexByte(prefixes, b) < 0 {
			return b == gsPrefix
		}
	}
	return false
}

// Readers lists every instruction of a linked program that touches such a word: the audit of
// old_rsp's readers. It leaves out the variants, whose instructions their proofs follow. An
// instruction relative to GS that the decoder does not know is an error.
func Readers(obj *asm.Object) ([]Reader, error) {
	var list []Reader
	var errs []error
	for _, l := range obj.Listings() {
		if _, _, ok := stubs.CutFuncName(l.Name); ok { // a variant's
			continue
		}
		for _, row := range l.Rows {
			if row.Label != "" {
				continue
			}
			if !byGS(row.Bytes) {
				continue
			}
			where := Where{l.Name, row.Off, row.Ins.Short(), row.Ins, row.File, row.Line}
			in, err := decode(row.Bytes, l.Addr+uint64(row.Off))
			if err != nil {
				errs = append(errs, fmt.Errorf("%v: %w", where, err))
				continue
			}
			list = append(list, in.scratch(where)...)
		}
	}
	return list, errors.Join(errs...)
}

// scratch returns the accesses of an instruction to scratch words.
func (in *inst) scratch(where Where) (list []Reader) {
	for _, o := range []operand{in.src, in.dst} {
		if o.kind != inMem || o.seg != segGS {
			continue
		}
		for _, w := range scratchWords {
			if o.base != noReg || o.index != noReg || o.imm >= int64(w.Off) && o.imm < int64(w.Off)+8 {
				write := o == in.dst && in.op != opCMP && in.op != opTEST && in.op != opBT
				list = append(list, Reader{where, w.String(), write})
			}
		}
	}
	return list
}
