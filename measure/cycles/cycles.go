// Package cycles turns the guest's samples into figures where ticks are cycles: under
// KVM, or on a machine that booted an image by itself.
//
// The guest (guest/measure, Sample) times each operation under every variant
// thousands of times, alternating in random order, and sends the quantiles of
// each series. Its lines carry checksums, since they may have come over a serial
// cable: a boot with a damaged or a missing line is left out as a whole.
//
// The samples of one boot are not independent, so a boot counts once: its figure is
// the mean of the samples between the 5 % and the 25 % quantile, a difference is taken
// within a boot, and the interval comes from resampling boots (package stats). Every
// boot also measures the controls: the base a second time (A/A), two loops that differ
// by a chain of one cycle (+1 cycle), the resolution of the clock, the empty loop, and
// the floor. A run whose controls fail is refused.
package cycles
