// Command hello writes one line and ends: the smallest ordinary Go program.
package main

import "os"

func main() { os.Stdout.WriteString("hello\n") }
