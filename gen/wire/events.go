package wire

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
