package wire

import (
	"fmt"
	"strings"
)

// EventMark, plus an EventWay, is in R14 in ring 3 when the guest enters the kernel in
// that way, so that a debugger knows what it has stopped. R15 holds the address of the
// word that counts the rounds that are left; 1 there means that the last one is
// running.
const EventMark = 0x4556_4e54_0000_0000

// EventRounds is how many rounds the guest makes in each way if no debugger ends it.
const EventRounds = 20_000

// EventWay is a way into the kernel that the guest takes again and again, with the
// same registers each time, if the Command has Events.
type EventWay int

// The ways.
const (
	EventNullCall    EventWay = 1 + iota // a call that its handler answers at once
	EventUnknownCall                     // a call that the entry itself refuses
	EventFullFrame                       // a call through the slow path's wrapper
	EventCopy                            // the same, copying to a page that is missing
	EventYield                           // sched_yield, to a thread of the same process
	EventYieldMM                         // the same to a thread with another address space
	EventFutexWait                       // FUTEX_WAIT, which switches
	EventShared                          // a null call while another thread waits for the CPU
	EventSignal                          // tgkill of the thread itself, which a handler takes
	EventSigreturn                       // rt_sigreturn from that handler
	EventBadReturn                       // rt_sigreturn to a frame that IRETQ and SYSRETQ refuse
	EventClone                           // clone of a thread
	EventFirstReturn                     // sched_yield, to a thread that has just been made
	EventFault                           // a load from a page that is missing
	EventInt3                            // a breakpoint, which a handler takes
	EventInt                             // a software interrupt
)

// Event is the result for the events of one kind at one place, which the guest caused
// itself, if the Command has Breakpoints.
type Event struct {
	Variant string
	Kind    int    // a layout.Event*
	At      uint64 // the kernel's instruction; for EventData what SysEvent takes
	Made    int    // events made
	Came    int    // events that arrived there
}

// ReadingsFile is the path, from the root, of the file in an image's initramfs that tells the
// guest at which instructions it is to stop threads: one [ReadingPlace] a line.
const ReadingsFile = "readings"

// ReadingPlace is an instruction of a variant, in hexadecimal. A thread may be preempted
// before it if IRQ is set.
type ReadingPlace struct {
	At  uint64
	IRQ bool
}

// PrintReadingPlaces returns the content of ReadingsFile.
func PrintReadingPlaces(list []ReadingPlace) []byte {
	var b []byte
	for _, p := range list {
		b = fmt.Appendf(b, "%x %t\n", p.At, p.IRQ)
	}
	return b
}

// ParseReadingPlaces reads the content of ReadingsFile.
func ParseReadingPlaces(data []byte) ([]ReadingPlace, error) {
	var list []ReadingPlace
	for line := range strings.Lines(string(data)) {
		var p ReadingPlace
		if _, err := fmt.Sscanf(line, "%x %t\n", &p.At, &p.IRQ); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", ReadingsFile, len(list)+1, err)
		}
		list = append(list, p)
	}
	return list, nil
}

// Reading is what a reader of the user's RSP found of a thread, if the Command has Readings.
type Reading struct {
	Variant   string
	Reader    int    // one of layout.RSPReaders
	State     int    // of the thread, such as layout.InFastPath
	NMI       int    // 1: a sample that strikes as an NMI does
	At        uint64 // the instruction before which the thread was stopped; 0: it was not
	Want, Got uint64 // the user's RSP, and what the reader found
}

func (r *Reading) words() []word {
	return []word{
		{"variant", &r.Variant},
		{"reader", &r.Reader},
		{"state", &r.State},
		{"nmi", &r.NMI},
		{"at", (*hex)(&r.At)},
		{"want", (*hex)(&r.Want)},
		{"got", (*hex)(&r.Got)},
	}
}

func (r Reading) String() string { return summed(KindReading, printWords(r.words())) }

func parseReading(text string) (Line, error) {
	text, err := withoutSum(text)
	if err != nil {
		return nil, err
	}
	var r Reading
	if err := parseWords(text, r.words()); err != nil {
		return nil, err
	}
	return r, nil
}

func (e *Event) words() []word {
	return []word{{"variant", &e.Variant}, {"kind", &e.Kind}, {"at", (*hex)(&e.At)}, {"made", &e.Made}, {"came", &e.Came}}
}

func (e Event) String() string { return summed(KindEvent, printWords(e.words())) }

func parseEvent(text string) (Line, error) {
	text, err := withoutSum(text)
	if err != nil {
		return nil, err
	}
	var e Event
	if err := parseWords(text, e.words()); err != nil {
		return nil, err
	}
	return e, nil
}
