# Everything here works on a machine that has only Go: what else is needed is
# installed first (see .ci/deps).

# Go's own installer puts it where PATH does not look.
export PATH := $(PATH):/usr/local/go/bin

# Go keeps its caches in the home folder; a CI may give none.
ifeq ($(HOME),)
export HOME := $(shell home=$$(getent passwd "$$(id -u)" | cut -d: -f6); \
	[ -w "$$home" ] && echo "$$home" || echo "$${TMPDIR:-/tmp}/entrylab-$$(id -u)")
endif

# The linters have a module file of their own, and so stay out of go.mod.
TOOL := go tool -modfile=tools.mod

# Tests that hang are ended after a time that no slow and busy host needs.
TEST := go test -timeout 3h

# The packages whose tests have golden files, and so the flag -update.
GOLDEN = $(shell grep -rl --include='*_test.go' '/internal/golden"' . | xargs -r dirname | sort -u)

.PHONY: run test lint check pages results nightly disturb crosscheck boots test-kvm programs events rain fuzz bench reproduce golden man release newcomer fmt clean deps prove-all qemu linux mutants intervals study baseline certified kernels vmlinuz

# Generate an image, boot it, and compare the old entry path with the new one.
run: qemu
	go run ./cmd/entrylab compare linux-3.19 heukelum-v2

# All checks: vet, linters, and every test, with the machines they boot; the linters
# beside the tests, as neither keeps all CPUs busy. No test is taken from the
# cache, which does not know of the programs that tests build.
# go test vets nothing: go vet has, with all that it would.
# A missing tool fails its test; what the host itself lacks is listed at the end
# with the tests that were skipped for it (internal/need).
test: deps vmlinuz
	@$(MAKE) --no-print-directory -j2 lint check

# Half of `make test`: vet, formatting, linters and functions that nothing calls.
lint:
	go vet ./...
	@files=$$($(TOOL) gofumpt -l .) && [ -z "$$files" ] || \
		{ echo "not formatted (make fmt does it):" $$files >&2; exit 1; }
	$(TOOL) staticcheck ./...
	$(TOOL) actionlint .github/workflows/*.yml examples/lab/github.yml
	.ci/deadcode

# The other half: every test.
check:
	.ci/test $(TEST) -vet=off -count=1 ./...

# Every preset in QEMU and in Bochs: the same checks, the same counts. Part of
# `make test` for some of them. Of the variants with ibrs=entry all checks; `make
# test` makes those of one, and of the others the checks of SPEC_CTRL.
crosscheck: deps
	$(TEST) ./vmtests -run '^(TestCrosscheck|TestIBRS|TestVariants)' -count=1 -v -crosscheck

# An image booted in every way on every machine, with all checks; and stubs with the
# faults of real kernels. Part of `make test` for some of them.
boots: deps
	$(TEST) ./vmtests -run '^(TestByHand|TestEFI|TestGRUB|TestDisk|TestMedia|TestAnswer|TestAnswerMachines|TestNoAnswer|TestCPURefused|TestSecureBoot|TestBoots|TestScreen|TestScreenAnswer|TestScreenCodes|TestStick|TestMuchMemory|TestX2APIC|TestCases$$)' -count=1 -v -boots

# The tests of machines under KVM: under that of this host's CPU, or where it has none
# under that of a Linux on a CPU that QEMU emulates. Part of `make test` for some of
# them.
test-kvm: deps vmlinuz
	.ci/test $(TEST) ./vmtests -run '^TestKVM' -count=1 -v -kvm

# All of the programs that run as init, on every preset that they are for and, if they
# expect what Linux does, on Linux; all that Go tests of its packages; 10,000 forks; 8 MiB
# through the console. Part of `make test` on three presets.
programs: deps vmlinuz
	$(TEST) ./vmtests -run '^(TestForeign|TestC|TestProgram|TestNumber|TestConsole|TestLinuxCommandLine|TestStandardLibrary|TestURoot|TestZombies|TestProcesses.*)$$' -count=1 -v -programs

# NMIs, machine checks, breakpoints and interrupts at every instruction of every way
# through the kernel, on every preset, and kernels that are wrong for one of them
# alone. Part of `make test` for some of them.
events: deps
	go run ./cmd/entrylab verify -events
	$(TEST) ./measure/events -count=1 -v -every

# 10,000,000 events at places drawn at random, while two threads set their GS bases, step,
# get signals and return by frames that no exit takes; `make test` has some thousands.
rain: deps
	go test -timeout 24h ./measure/events -run '^TestRain$$' -count=1 -v -rain 10000000

# 10,000,000 system calls with bad arguments on every preset; `make test` makes some
# of them. A preset takes 2 minutes of one core in QEMU, and 2 hours in Bochs, where
# two of them run. SEED=N makes other ones.
fuzz: deps
	$(TEST) ./vmtests -run '^TestFuzz$$' -count=1 -v -fuzzcalls 10000000 -fuzzseed $(or $(SEED),1)

# Nights whose workers are killed, stopped and interrupted at any moment; `make test`
# disturbs one.
disturb: deps
	$(TEST) ./cmd/entrylab -run '^TestWorkers$$/^disturbed$$' -count=1 -v -disturbed 20

# entrylab's own night: every preset, judged by the nights before, which it keeps in
# the folder nights, with pages to look at. In the end stand the commits since then.
nightly: deps
	go build -o entrylab ./cmd/entrylab
	@status=0; ./entrylab nightly -store nights -html nights/pages || status=$$?; \
	last=$$(cat nights/revision 2>/dev/null || true); \
	echo "Commits since the last night:"; \
	git log --oneline $${last:+$$last..}HEAD | head -50; \
	git rev-parse HEAD >nights/revision; exit $$status

# The answer: every change on every engine of this host, as a page and as a
# report. Interrupted, it goes on where it stopped.
study: deps
	go run ./cmd/entrylab study -o results.jsonl
	go run ./cmd/entrylab report results.jsonl -o report.html

# Adds the cycles of this CPU to docs/results.md.
results: deps
	.ci/results

# Debian's kernel with the same init, beside the generated ones.
baseline: qemu vmlinuz
	go run ./cmd/entrylab baseline -kernel "$${XDG_CACHE_HOME:-$$HOME/.cache}/entrylab/linux/vmlinuz"

# Every command line of every page and help text, those that take minutes too, compared with what
# the page shows; `make test` runs the short ones.
pages: deps vmlinuz
	$(TEST) ./cmd/entrylab -run '^(TestPages|TestHelpExamples)$$' -count=1 -v -pages

# All measurements of the project itself: generating, booting, running.
bench: qemu
	$(TEST) -run '^$$' -bench . ./...

# Six runs of one replayed comparison: how many differences agree within their
# intervals on this machine.
reproduce:
	$(TEST) -run '^$$' -bench Reproduce -benchtime 1x -v ./measure/analysis

# How often the intervals of sampled figures hold the truth, on 1000 simulated runs
# of each kind of machine; `make test` simulates some of them.
intervals:
	$(TEST) -run '^TestCoverage' -count=1 -v ./measure/stats ./measure/analysis -runs 1000

# Change each instruction of each preset in every way and see the proof reject it.
mutants:
	$(TEST) -run TestMutants -v ./stubs/prove -mutate

# Prove every combination of the axes that decide about each other, and each
# preset with one of the others changed; ask a solver whether it agrees, about all
# presets, all broken variants and all mutants; run every path of every preset, and
# every witness, in QEMU and on this CPU; and look for two values that prove -all leaves out.
prove-all: deps
	$(TEST) ./stubs/prove -run '^(TestAll|TestSolver|TestSolverBroken|TestDisassemblers|TestRefusedForms)$$' -count=1 -v -every
	$(TEST) ./stubs/prove -run '^TestSolverMutants$$' -count=1 -v -mutate
	$(TEST) ./measure/confirm -count=1 -v -every
	$(TEST) ./stubs -run '^TestPairwise$$' -count=1 -v -every

# Each command that takes real kernels boots them. Part of `make test` for some of them.
kernels: deps vmlinuz
	$(TEST) ./cmd/entrylab -run '^(TestCompareKernels|TestBenchMailKernels|TestSweepKernels|TestTrace|TestTraceOperation|TestTraceBad|TestDiffExecuted|TestBaseline)$$' -count=1 -v -kernels
	$(TEST) ./vmtests -run '^TestReboots$$' -count=1 -v -reboots

# Hold the presets against the real kernels that they stand for, and with UPDATE=-update
# write what was found into the table that `entrylab variants` shows. IMAGE=FILE adds a
# kernel to those that `make linux` fetches.
certified: qemu linux
	$(TEST) ./measure/certified -count=1 -v -every $(UPDATE) $(if $(IMAGE),-image $(abspath $(IMAGE)))

# Rewrite the golden files from what the code does now; review the difference.
# Of the tests that boot machines two have golden files: what Linux does, and what
# is missing. What the pages show of a command's output is golden too.
golden:
	$(TEST) $(filter-out ./vmtests,$(GOLDEN)) -update
	$(TEST) ./vmtests -run '^(TestCalls|TestMissingCalls)$$' -update

# A release of the last commit in the folder dist: a static program in an archive, a
# Debian package, what is in the program (CycloneDX), and checksums.
release:
	.ci/release

# A new user on a bare Debian 12 with the release: from the package to a stub of their
# own in less than five minutes. Takes root, debootstrap and the network.
newcomer: release
	.ci/newcomer

# The manual: a page for each command, in the folder man.
man:
	mkdir -p man
	go run ./cmd/entrylab man man

# Format the sources.
fmt:
	$(TOOL) gofumpt -w .

# Remove what was generated: images and the command. Histories stay.
clean:
	find images -mindepth 1 ! -name README.md -delete
	rm -rf entrylab man dist

# Install what is missing: QEMU, and what some tests need.
deps:
	@.ci/deps

# Install QEMU if it is missing.
qemu:
	@.ci/deps run

# Fetch the Linux kernels that the guest is compared on, and the newest where Debian
# unstable can be reached; where not, it says why.
linux: vmlinuz
	@.ci/linux newest || true

# Fetch those of them that tests need.
vmlinuz:
	@.ci/linux
