// Package cleanenv takes out of the environment what makes golang-asm end the
// process before main: it reads GOARM, GOMIPS and their like for every
// architecture when it is initialised, and calls log.Fatalf on values that a
// newer Go toolchain accepts.
//
// Go initialises packages in the order of their import paths where
// dependencies leave it open, and this path sorts before the library's.
package cleanenv

import "os"

func init() {
	for _, name := range []string{
		"GOOS", "GOARCH", "GOARM", "GO386", "GOAMD64", "GOPPC64", "GOMIPS", "GOMIPS64", "GOWASM", "GOEXPERIMENT",
	} {
		saved[name] = os.Getenv(name)
		os.Unsetenv(name)
	}
}

var saved = map[string]string{}

// Restore puts the environment back as it was, for the processes that this
// one starts.
func Restore() {
	for name, value := range saved {
		if value != "" {
			os.Setenv(name, value)
		}
	}
}
