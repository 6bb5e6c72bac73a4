// Package cycles makes figures of samples that the guest took where ticks are
// cycles: under KVM, or on a machine that booted an image by itself.
//
// The guest (guest/measure, Sample) times each operation under every variant
// thousands of times, alternating in random order, and sends the quantiles of
// each series. Its lines carry sums, since they may have come over a wire: a boot
// with a damaged line, or with one missing, is left out as a whole.
//
// Samples of one boot share its luck, so a boot counts as one: its figure is the
// mean of the samples between 5 % and 25 %, a difference is one of two figures
// of the same boot, and the interval comes from resampling boots (package
// stats). Every boot carries what proves the run: the base a second time (A/A),
// two loops that differ in a chain of one cycle more (+1 cycle), the resolution
// of the clock, the empty loop, and the floor. A run whose controls fail is
// refused.
package cycles
