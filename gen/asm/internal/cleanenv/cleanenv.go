// Package cleanenv removes the variables from the environment that make golang-asm
// end the process before main: when the library is initialised it reads GOARM, GOMIPS
// and the like, of every architecture, and calls log.Fatalf on values that newer Go
// toolchains accept.
//
// Go initialises packages in the order of their import paths where
// dependencies leave it open, and this path sorts before the library's. The
// importer puts the variables back when it is initialised itself, behind the
// library.
package cleanenv

import "os"

// names are the variables of which golang-asm v0.15.1 does not take every
// value (objabi/util.go, objabi/head.go).
var names = []string{"GOOS", "GOARM", "GOMIPS", "GOMIPS64", "GOPPC64", "GOWASM"}

// saved are those that were set.
var saved = map[string]string{}

func init() {
	for _, name := range names {
		if value, ok := os.LookupEnv(name); ok {
			saved[name] = value
			os.Unsetenv(name)
		}
	}
}

// Restore puts the environment back as it was, for the processes that this
// one starts.
func Restore() {
	for name, value := range saved {
		os.Setenv(name, value)
	}
}
