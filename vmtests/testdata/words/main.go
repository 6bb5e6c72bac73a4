// Command words prints its arguments, an empty line, and its environment, a word on each
// line.
package main

import (
	"fmt"
	"os"
)

func main() {
	for _, arg := range os.Args {
		fmt.Println(arg)
	}
	fmt.Println()
	for _, env := range os.Environ() {
		fmt.Println(env)
	}
}
