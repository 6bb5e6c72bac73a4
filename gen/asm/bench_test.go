package asm

import (
	"fmt"
	"runtime"
	"testing"
)

// large returns a program of the kernel's size: 400 functions of 20 instructions.
func large() Program {
	p := Program{Data: []Data{BSS("data", 4096, 8)}}
	for i := range 400 {
		next := fmt.Sprintf("f%d", (i+1)%400)
		p.Funcs = append(p.Funcs, FUNC(fmt.Sprintf("f%d", i), "What it does.",
			MOVQ(gsArea.KernelStack, RBX),
			LEAQ(Sym("data").Add(8*i), RSI),
			CMPQ(RAX, 100+i),
			JAE("fail"),
			IF(E,
				MOVQ(RBX.At(8), RCX),
				ADDQ(RCX, RSI.At(16)),
			).ELSE(
				CALL(next),
			),
			LOOP(
				MOVQ(Sym("data").Index(RAX, 8), RDX),
				TESTQ(RDX, RDX),
				BREAK(NE),
				DECQ(RAX),
				CONTINUE(NE),
				PAUSE(),
			),
			MOVQ(RDX, RBX.Index(RCX, 8)).Fault("fail"),
			XORL(RAX, RAX),
			RETURN(),
			LABEL("fail"),
			MOVQ(-14, RAX),
			RETURN(),
		).Saving(RBX))
	}
	return p
}

// BenchmarkBuild writes and links a program of the kernel's size.
func BenchmarkBuild(b *testing.B) {
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n = len(mustLink(b, large()).Lines)
	}
	b.ReportMetric(float64(n), "instructions")
}

// TestMemory keeps what a build allocates within bounds.
func TestMemory(t *testing.T) {
	const most = 20 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	mustLink(t, large())
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > most {
		t.Errorf("a build allocates %d bytes; want %d at most", n, most)
	}
}
