// Package wire is the protocol between the guest and the host. Both sides import
// it; the formats and the names that cross the boundary are declared here and
// nowhere else.
//
// # From the host to the guest
//
// The kernel's command line carries init's words, a [Command], and may set the
// variable [EngineVariable] for an engine that the guest cannot recognise. The
// initramfs may hold the file [ProofsFile], with one [Proof] in each line.
//
// # From the guest to the host
//
// The guest prints lines on its console, in the format of kvm-unit-tests where
// it has one for them. Each line is one struct of this package, whose String prints it
// and which [ParseLine] returns:
//
//	PASS: name                                          Check
//	FAIL: name (what is wrong)                          Check
//	SKIP: name (why the check does not apply)           Check
//	ERROR: name (what keeps the harness from a verdict) Check
//	INFO: text                                          Info
//	MEASURE: variant=V op=O unit=ticks n=N batches=K min=X median=Y max=Z agree=A
//	                                                    Measure
//	PROOF: variant: verdict crc=C                       Proof
//	SAMPLING: boot=B seed=S samples=N counters=T code=D vendor=V signature=X hypervisor=H cpu=U crc=C
//	                                                    Sampling
//	SAMPLE: label=L op=O counter=T n=N samples=K lost=J q=A,B,... crc=C
//	                                                    Series
//	SINGLES: label=L op=O samples=K median=X p99=Y p99.9=Z most=A crc=C
//	                                                    Singles
//	SAMPLING: end=B lines=N steal=T stolen=K crc=C      SamplingEnd
//	SYMBOL: ADDRESS NAME START crc=C                    Symbol
//	SUMMARY: N tests, M unexpected failures, K skipped  Summary
//
// A check's name is "variant: group: check" and contains no " (". The lines with a
// crc may reach the host over a serial cable: crc is the CRC-32 (IEEE 802.3) of
// the text between the colon's space and the space before crc, in eight
// hexadecimal digits.
//
// A console holds other lines as well, from the firmware and the kernel: they are
// passed over. A line that begins like one of the guest's and cannot be read is an
// error, so that no result is lost. A run is complete if its [Summary] came and agrees
// with the lines before it; a boot's samples are complete if their [SamplingEnd] came
// and agrees.
//
// # Names
//
// Operations, the labels of what is sampled, clocks and engines have their names
// here as well: the constants OpNullCall and so on, and the table [Operations] with
// the names that readers know them by.
package wire
