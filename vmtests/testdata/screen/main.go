// Command screen shows on the screen, as the console, numbered lines and all characters;
// then it takes the screen, and says on the console, which is no longer on the screen, how
// that went.
package main

import (
	"fmt"
	"os"
)

func main() {
	for i := range 30 {
		fmt.Println("line", i)
	}
	for c := ' '; c <= '~'; c++ {
		fmt.Printf("%c", c)
	}
	fmt.Print("\tafter a tab, an \u00e4\n")
	tty, err := os.OpenFile("/dev/tty1", os.O_WRONLY, 0)
	if err == nil {
		_, err = fmt.Fprintf(tty, "of the screen alone\n%4d %%\r%4d %%\n", 9, 10)
	}
	fmt.Println("tty1:", err)
}
