package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/measure/cycles"
	"github.com/entrylab/entrylab/measure/cycles/cyclestest"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/study"
)

// benchmark runs the command in a process of its own. Beside the time it reports the
// CPU's, of the machines that it boots, too, which a loaded host changes less, and the
// most memory that one process of them has had.
func benchmark(b *testing.B, args ...string) {
	b.Helper()
	var cpu, memory float64
	for b.Loop() {
		cmd := exec.CommandContext(b.Context(), os.Args[0], args...)
		cmd.Env = append(os.Environ(), "PLAY_ENTRYLAB=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
		cpu += (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
		memory = max(memory, float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)/1024)
	}
	b.ReportMetric(cpu/float64(b.N), "cpu-s/op")
	b.ReportMetric(memory, "MiB")
}

// BenchmarkVersion and BenchmarkComplete are what people wait for at a prompt: a few tens of
// milliseconds.
func BenchmarkVersion(b *testing.B) { benchmark(b, "version") }

func BenchmarkComplete(b *testing.B) { benchmark(b, "complete", "--", "list", "linux-6.12+") }

// BenchmarkProve proves all presets: at most 0.2 s on two quiet cores.
func BenchmarkProve(b *testing.B) { benchmark(b, "prove") }

// BenchmarkCompare runs the first command of the README: at most 1.0 s.
func BenchmarkCompare(b *testing.B) {
	need.QEMU(b)
	benchmark(b, "compare", "-engine", "icount", "linux-3.19", "heukelum-v2")
}

// BenchmarkCompareKernels runs all operations of two real kernels, one word apart: at most
// 40 s on two cores.
func BenchmarkCompareKernels(b *testing.B) {
	need.QEMU(b)
	kernel := need.Linux(b)
	benchmark(b, "compare", kernel, kernel+" mitigations=off")
}

// BenchmarkTraceKernel follows a null call of a real kernel, with the boot: at most 8 s.
func BenchmarkTraceKernel(b *testing.B) {
	need.QEMU(b)
	benchmark(b, "trace", need.Linux(b))
}

// BenchmarkReport reports 100,000 figures of boots: at most 6 s and 400 MB.
func BenchmarkReport(b *testing.B) {
	dir := b.TempDir()
	results := filepath.Join(dir, "results.jsonl")
	if err := os.WriteFile(results, resultsOf(b, 100_000), 0o644); err != nil {
		b.Fatal(err)
	}
	benchmark(b, "report", results, "-o", filepath.Join(dir, "report.html"))
}

// resultsOf returns a results file of so many figures: of boots that each sampled all
// operations of the study's variants.
func resultsOf(b *testing.B, n int) []byte {
	variants := study.Mail().Variants()
	axes := map[string]string{}
	for _, v := range variants {
		axes[v.Name] = v.Axes.String()
	}
	var file bytes.Buffer
	for number, left := 1, n; left > 0; number++ {
		boot := cyclestest.Pretended(number, 0, 1)
		for i, v := range variants {
			for j, op := range record.Sampled {
				if _, has := boot.Find(v.Name, op.Op); has || v.Axes.Bare {
					continue
				}
				cost := 150 + 30*float64(j) + float64(i) + 0.1*float64(number%7)
				boot.Figures = append(boot.Figures, cycles.Figure{
					Label: v.Name, Op: op.Op, Unit: record.Cycles, N: 500, Samples: 9, Low: cost, Min: cost - 1, Median: cost + 1, Max: cost + 9,
				})
			}
		}
		records := boot.Records(axes, time.Date(2026, 1, 2, 3, 4, number, 0, time.UTC))
		for _, r := range records[max(0, len(records)-left):] { // the end makes a boot whole
			line, err := r.Line()
			if err != nil {
				b.Fatal(err)
			}
			file.Write(line)
			left--
		}
	}
	return file.Bytes()
}
