package wire

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Symbol tells which function of the kernel addresses are in. The guest prints one for
// each function of the addresses that a debugger has asked about, on a kernel that tells
// (/proc/kallsyms).
type Symbol struct {
	// Addr is the last address that was asked about in the function.
	Addr uint64
	// Name is the function's, Start its address.
	Name  string
	Start uint64
}

func (s Symbol) String() string {
	return summed(KindSymbol, fmt.Sprintf("%#x %s %#x", s.Addr, s.Name, s.Start))
}

func parseSymbol(text string) (s Symbol, err error) {
	if text, err = withoutSum(text); err != nil {
		return s, err
	}
	words := strings.Split(text, " ")
	if len(words) != 3 || words[1] == "" {
		return s, errors.New("want an address, a name and the address where the function begins")
	}
	s.Name = words[1]
	for i, to := range []*uint64{&s.Addr, nil, &s.Start} {
		if to == nil {
			continue
		}
		if *to, err = strconv.ParseUint(words[i], 0, 64); err != nil {
			return s, err
		}
	}
	return s, nil
}
