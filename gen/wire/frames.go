package wire

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strconv"
	"strings"
)

// A frame is a piece of what the guest says, as a text that a QR code holds in few bits: it has
// only characters of the alphanumeric mode (ISO/IEC 18004, 7.3.4). Of a compressed text, each
// frame has the text's sum, by which frames of several boots are told apart, its number and
// how many there are.
const (
	// FramePrefix begins every frame.
	FramePrefix = "ENTRYLAB:"
	// mostFrames and mostFramed bound what is believed of a frame, and what it unfolds to.
	mostFrames = 999
	mostFramed = 4 << 20
)

// base45 are the digits of RFC 9285.
const base45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"

// Frames returns the text as frames of at most so many characters, 64 or more.
func Frames(text []byte, most int) ([]string, error) {
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.BestCompression)
	if err == nil {
		_, err = w.Write(text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, err
	}
	head := func(i, n int) string {
		return fmt.Sprintf("%s%08X:%d/%d:", FramePrefix, crc32.ChecksumIEEE(text), i, n)
	}
	size := (most - len(head(mostFrames, mostFrames))) / 3 * 2 // of a piece: two bytes are three digits
	if size < 2 {
		return nil, fmt.Errorf("frames of %d characters have no room", most)
	}
	pieces := slices.Collect(slices.Chunk(packed.Bytes(), size))
	if len(pieces) > mostFrames {
		return nil, fmt.Errorf("%d frames, more than %d", len(pieces), mostFrames)
	}
	frames := make([]string, len(pieces))
	for i, piece := range pieces {
		frames[i] = head(i+1, len(pieces)) + encode45(piece)
	}
	return frames, nil
}

func encode45(data []byte) string {
	var b strings.Builder
	for pair := range slices.Chunk(data, 2) {
		n, digits := int(pair[0]), 2
		if len(pair) == 2 {
			n, digits = n<<8|int(pair[1]), 3
		}
		for range digits {
			b.WriteByte(base45[n%45])
			n /= 45
		}
	}
	return b.String()
}

var errFrame = errors.New("damaged")

func decode45(text string) ([]byte, error) {
	var data []byte
	for digits := range slices.Chunk([]byte(text), 3) {
		n := 0
		for _, c := range slices.Backward(digits) {
			d := strings.IndexByte(base45, c)
			if d < 0 {
				return nil, errFrame
			}
			n = n*45 + d
		}
		switch {
		case len(digits) == 3 && n < 1<<16:
			data = append(data, byte(n>>8), byte(n))
		case len(digits) == 2 && n < 1<<8:
			data = append(data, byte(n))
		default:
			return nil, errFrame
		}
	}
	return data, nil
}

// Unframe returns the texts that frames are of, in the order of their first frames. It also
// returns what is wrong: frames that cannot be read, and texts that are not whole.
func Unframe(frames []string) (texts [][]byte, wrong []string) {
	type whole struct {
		sum    string
		pieces [][]byte
	}
	var all []*whole
	for _, f := range frames {
		sum, i, n, piece, err := parseFrame(f)
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("a QR code that begins %.40q: %v", f, err))
			continue
		}
		at := slices.IndexFunc(all, func(w *whole) bool { return w.sum == sum && len(w.pieces) == n })
		if at < 0 {
			at = len(all)
			all = append(all, &whole{sum, make([][]byte, n)})
		}
		all[at].pieces[i-1] = piece
	}
	for _, w := range all {
		if i := slices.IndexFunc(w.pieces, func(p []byte) bool { return p == nil }); i >= 0 {
			wrong = append(wrong, fmt.Sprintf("QR code %d of %d of the answer %s is missing", i+1, len(w.pieces), w.sum))
			continue
		}
		var text bytes.Buffer
		_, err := text.ReadFrom(io.LimitReader(flate.NewReader(bytes.NewReader(bytes.Join(w.pieces, nil))), mostFramed))
		if err != nil || fmt.Sprintf("%08X", crc32.ChecksumIEEE(text.Bytes())) != w.sum {
			wrong = append(wrong, fmt.Sprintf("the QR codes of the answer %s do not belong together, or one is damaged", w.sum))
			continue
		}
		texts = append(texts, text.Bytes())
	}
	return texts, wrong
}

func parseFrame(frame string) (sum string, i, n int, piece []byte, err error) {
	rest, ok := strings.CutPrefix(strings.TrimRight(frame, "\r\n"), FramePrefix)
	sum, rest, ok2 := strings.Cut(rest, ":")
	place, digits, ok3 := strings.Cut(rest, ":")
	first, last, ok4 := strings.Cut(place, "/")
	if !ok || !ok2 || !ok3 || !ok4 {
		return "", 0, 0, nil, errFrame
	}
	i, err = strconv.Atoi(first)
	if err == nil {
		n, err = strconv.Atoi(last)
	}
	if err != nil || n < 1 || n > mostFrames || i < 1 || i > n {
		return "", 0, 0, nil, errFrame
	}
	piece, err = decode45(digits)
	if err == nil && len(piece) == 0 {
		err = errFrame
	}
	return sum, i, n, piece, err
}
