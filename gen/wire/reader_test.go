package wire

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// TestReader reads a console with all kinds of lines between others.
func TestReader(t *testing.T) {
	var console strings.Builder
	for _, tt := range lines {
		console.WriteString("noise\r\n" + tt.text + "\r\n")
	}
	in := NewReader("here", iotest.OneByteReader(strings.NewReader(console.String())))
	for _, tt := range lines {
		if got, err := in.Next(); err != nil || got != tt.line {
			t.Errorf("%s: read %+v and %v", tt.name, got, err)
		}
	}
	if got, err := in.Next(); err != io.EOF {
		t.Errorf("after the last line: %v and %v", got, err)
	}
	if want := fmt.Sprintf("here:%d", 2*len(lines)); in.At() != want {
		t.Errorf("the last line is at %s, want %s", in.At(), want)
	}
}

// TestReaderDamaged: a damaged line is named, and the lines after it are read.
func TestReaderDamaged(t *testing.T) {
	long := strings.Repeat("x", 3*MostLine)
	for _, tt := range []struct{ name, text, kind, want string }{
		{"cut off", "SAMPLE: label=a\n", "SAMPLE", "here:2: the line is cut off"},
		{"no number", "SUMMARY: many tests\n", "SUMMARY", "here:2: \"many tests\": want as in"},
		{"too long", "INFO: " + long + "\n", "INFO", "here:2: the line is longer than 16384 bytes"},
		{"too long, of somebody else", long + "\n", "", ""},
		{"too long, with a result in it", long + "PASS: b\n", "", ""},
		{"longest", "INFO: " + long[:MostLine-len("INFO: \n")] + "\n", "", ""},
	} {
		in := NewReader("here", strings.NewReader("PASS: a\n"+tt.text+"PASS: z"))
		var names []string
		var damaged []error
		for {
			line, err := in.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				damaged = append(damaged, err)
			}
			if c, ok := line.(Check); ok {
				names = append(names, c.Name)
			}
		}
		if got := strings.Join(names, " "); got != "a z" || in.At() != "here:3" {
			t.Errorf("%s: read the checks %q, up to %s; want a and z, up to here:3", tt.name, got, in.At())
		}
		if tt.want == "" {
			if len(damaged) > 0 {
				t.Errorf("%s: refused: %v", tt.name, damaged)
			}
			continue
		}
		var e *DamagedError
		if len(damaged) != 1 || !errors.As(damaged[0], &e) || e.Kind != tt.kind || !strings.HasPrefix(e.Error(), tt.want) {
			t.Errorf("%s: errors are %v, want one of a %s that begins with %q", tt.name, damaged, tt.kind, tt.want)
		}
	}
}

// TestReaderSource: an error of the source is not a damaged line, nor an end.
func TestReaderSource(t *testing.T) {
	broken := errors.New("broken")
	for _, text := range []string{"", "PASS: a", "PASS: a\n", strings.Repeat("x", MostLine+1)} {
		in := NewReader("here", io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)))
		var err error
		for err == nil {
			_, err = in.Next()
		}
		if err != broken {
			t.Errorf("%.20q and an error: error is %v, want %v", text, err, broken)
		}
	}
}
