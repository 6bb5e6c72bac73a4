package prove

import (
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// readEncodings returns all forms of the listings' instructions, and of those
// that only a file for GNU as has, as GNU as encodes them. The columns are
// those of the files.
func readEncodings(t *testing.T) [][]string {
	t.Helper()
	var rows [][]string
	for _, path := range []string{"../../gen/asm/testdata/encodings.tsv", "testdata/encodings.tsv"} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			if line[0] != '#' {
				rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
			}
		}
	}
	return rows
}

// mnemonics are those that the decoder can print. It must refuse all others and
// not read them as one of these.
var mnemonics = func() map[string]bool {
	known := map[string]bool{}
	for op, name := range opNames {
		names := []string{name}
		extend := func(by ...string) {
			var longer []string
			for _, n := range names {
				for _, s := range by {
					longer = append(longer, n+s)
				}
			}
			names = longer
		}
		op := opcode(op)
		if op == opMOVZX || op == opMOVSX {
			extend("B", "W", "L")
		}
		if sized[op] {
			extend("B", "W", "L", "Q")
		}
		if op == opJCC || op == opSET || op == opCMOV {
			extend(ccNames[:]...)
		}
		if op == opRDBASE || op == opWRBASE {
			names = nil
			for _, s := range []string{"FSBASEL", "FSBASEQ", "GSBASEL", "GSBASEQ"} {
				names = append(names, name+s)
			}
		}
		for _, n := range names {
			known[n] = true
		}
	}
	for _, n := range []string{"CQO", "FXSAVE64", "FXRSTOR64", "LOCK", "REP", "REPE", "REPNE"} {
		known[n] = true
	}
	return known
}()

// unknown are the forms of known mnemonics that the decoder does not know:
// moves of debug registers, output from strings.
var unknown = regexp.MustCompile(`DR[0-7]|OUTS`)

// twoOperands is IMUL by a constant with one register for both.
var twoOperands = regexp.MustCompile(`^(IMUL. \$[-0-9a-fx]+, (R[0-9A-Z]+))$`)

var moveL = regexp.MustCompile(`^MOVQ \$0x[89a-f].{7}, `)

var immediate = regexp.MustCompile(`\$-?[0-9a-fx]+`)

// TestDecode reads every 64-bit form that the assembler knows from GNU as's
// bytes: it comes out as the listing prints it, or is refused.
func TestDecode(t *testing.T) {
	read, no := 0, 0
	for _, col := range readEncodings(t) {
		if col[0] != "64" {
			continue
		}
		want := strings.Fields(col[1])
		code, err := hex.DecodeString(col[3])
		if err != nil {
			t.Fatal(err)
		}
		in, err := decode(code, 0)
		known := mnemonics[want[0]] && !unknown.MatchString(col[1])
		switch {
		case !known:
			no++
			if err == nil {
				t.Errorf("%s (%x) is read as %v; want it refused", col[1], code, &in)
			}
		case err != nil:
			t.Errorf("%s (%x): %v", col[1], code, err)
		case int(in.len) != len(code):
			t.Errorf("%s (%x) has %d bytes, read as %d", col[1], code, len(code), in.len)
		case strings.HasPrefix(in.String(), "J") || in.op == opCALL && in.src.kind == isImm:
			if got := strings.Fields(in.String()); got[0] != want[0] {
				t.Errorf("%s (%x) is read as %v", col[1], code, &in)
			}
		case len(col[4]) == 0 && plain(in.String()) != plain(col[1]):
			t.Errorf("%s (%x) is read as %v", col[1], code, &in)
		default:
			read++
		}
		for n := range code { // what is cut off is refused, not made up
			if in, err := decode(code[:n], 0); err == nil && known && int(in.len) != n {
				t.Errorf("%x, the start of %s, is read as %v of %d bytes", code[:n], col[1], &in, in.len)
			}
		}
	}
	t.Logf("%d forms read, %d refused", read, no)
	if read < 4000 {
		t.Errorf("only %d forms were compared", read)
	}
}

// plain returns a listing's text with what may be written in several ways made one.
func plain(text string) string {
	text, _, _ = strings.Cut(text, " #")
	text = twoOperands.ReplaceAllString(text, "$1, $2")
	text = strings.TrimPrefix(text, "LOCK ")
	mnemonic, operands, _ := strings.Cut(text, " ")
	if strings.HasPrefix(mnemonic, "TEST") || strings.HasPrefix(mnemonic, "XCHG") { // their order is no matter
		sorted := strings.Split(operands, ", ")
		slices.Sort(sorted)
		text = mnemonic + " " + strings.Join(sorted, ", ")
	}
	if moveL.MatchString(text) { // a MOVL, which clears the upper half
		mnemonic, text = "MOVL", strings.Replace(text, "MOVQ", "MOVL", 1)
	}
	text = immediate.ReplaceAllStringFunc(text, func(imm string) string {
		n, err := strconv.ParseInt(imm[1:], 0, 64)
		if err != nil {
			u, _ := strconv.ParseUint(imm[1:], 0, 64)
			n = int64(u)
		}
		switch mnemonic[len(mnemonic)-1] {
		case 'B':
			n &= 0xff
		case 'W':
			n &= 0xffff
		case 'L':
			n &= 0xffffffff
		}
		return fmt.Sprintf("$%#x", uint64(n))
	})
	return strings.Join(strings.Fields(strings.ReplaceAll(text, "GS:0", "GS:")), " ")
}
