package wire

import (
	"fmt"
	"strconv"
	"strings"
)

// Call is a system call that the guest makes for a debugger.
type Call struct {
	Number uint64
	Args   []Argument
}

// Argument is an argument of a Call: a value or, if Buffer is set, the address of 64
// KiB of zeros.
type Argument struct {
	Value  uint64
	Buffer bool
}

// bufferWord stands for the buffer's address.
const bufferWord = "BUF"

// MaxArguments are the arguments that a system call has at most.
const MaxArguments = 6

// ParseArgument reads an argument: a number in any of Go's notations, which may be
// negative, or BUF.
func ParseArgument(text string) (Argument, error) {
	if text == bufferWord {
		return Argument{Buffer: true}, nil
	}
	if n, err := strconv.ParseInt(text, 0, 64); err == nil {
		return Argument{Value: uint64(n)}, nil
	}
	n, err := strconv.ParseUint(text, 0, 64)
	if err != nil {
		return Argument{}, fmt.Errorf("argument %q: want a number of 64 bits, or %s for the address of 64 KiB of zeros", text, bufferWord)
	}
	return Argument{Value: n}, nil
}

func (a Argument) String() string {
	if a.Buffer {
		return bufferWord
	}
	return strconv.FormatUint(a.Value, 10)
}

// String returns the call as a flag of the guest: its number and its arguments.
func (c Call) String() string {
	words := []string{strconv.FormatUint(c.Number, 10)}
	for _, a := range c.Args {
		words = append(words, a.String())
	}
	return strings.Join(words, betweenNames)
}

func parseCall(text string) (*Call, error) {
	words := strings.Split(text, betweenNames)
	number, err := strconv.ParseUint(words[0], 10, 64)
	if err != nil {
		return nil, fmt.Errorf("number %q: want one of 64 bits", words[0])
	}
	if len(words) > 1+MaxArguments {
		return nil, fmt.Errorf("%d arguments: a call has at most %d", len(words)-1, MaxArguments)
	}
	c := &Call{Number: number}
	for _, w := range words[1:] {
		a, err := ParseArgument(w)
		if err != nil {
			return nil, err
		}
		c.Args = append(c.Args, a)
	}
	return c, nil
}
