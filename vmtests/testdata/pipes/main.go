// Command pipes opens 1000 descriptors in addition to the standard ones.
package main

import (
	"fmt"
	"os"
)

func main() {
	for i := range 500 {
		if _, _, err := os.Pipe(); err != nil {
			fmt.Printf("FAILED pipes: pipe %d: %v\n", i, err)
			os.Exit(1)
		}
	}
	fmt.Print("ok pipes\ndone, 0 failed\n")
}
