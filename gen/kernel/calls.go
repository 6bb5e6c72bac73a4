package kernel

import (
	"slices"
	"strings"
)

// callPrefix is what the name of a call's handler begins with.
const callPrefix = "sys_"

// CallNumber returns the number of a call of Linux's that the kernel has, by the name
// that its manual page has, such as getppid.
func CallNumber(name string) (int, bool) {
	for _, nr := range linuxNumbers() {
		if handlerOf(nr).Name == callPrefix+name {
			return nr, true
		}
	}
	return 0, false
}

// CallNames returns the names of all calls of Linux's that the kernel has, in the order of
// the alphabet.
func CallNames() (names []string) {
	for _, nr := range linuxNumbers() {
		if name, ok := strings.CutPrefix(handlerOf(nr).Name, callPrefix); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
