// Command ticks prints how many ticks of the time-stamp counter some instructions take,
// without the ticks of reading it: what an emulator counts.
package main

import "fmt"

// The functions of ticks_amd64.s return the ticks between two RDTSC.
func nothing() uint64
func nops() uint64   // 10 NOPs
func loop() uint64   // 10 rounds of DECQ and JNE
func divide() uint64 // one DIVQ
func repMove(n uint64) uint64
func repStore(n uint64) uint64
func repScan(n uint64) uint64 // a MOVQ, and to a match in the last of n bytes, before the count is 0

func main() {
	for range 2 { // the first faults pages in
		nothing()
		repMove(1000)
		repStore(1000)
		repScan(1000)
	}
	own := nothing()
	show := func(name string, ticks uint64) { fmt.Printf("%s: %d\n", name, ticks-own) }
	show("10 NOPs", nops())
	show("10 rounds", loop())
	show("DIVQ", divide())
	for _, n := range []uint64{0, 1, 10, 1000} {
		show(fmt.Sprintf("REP MOVSB of %d", n), repMove(n))
		show(fmt.Sprintf("REP STOSQ of %d", n), repStore(n))
	}
	show("MOVQ, REPNE SCASB of 10", repScan(10))
}
