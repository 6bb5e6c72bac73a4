// Hello is the smallest program that GoBuild is tested with.
package main

func main() { println("hello") }
