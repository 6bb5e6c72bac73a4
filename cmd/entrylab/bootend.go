package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/entrylab/entrylab/boot/vm"
)

// How boot ended, in the last line on standard error, where it was not init that
// ended.
const (
	endTimeOut     = "time-out"
	endNoVerdict   = "no verdict"
	endRefuted     = "refuted"
	endError       = "error"
	endInterrupted = "interrupted"
)

// bootEnd is the error of a machine that did not end with its init. story, which
// may be empty, is told before the last line.
type bootEnd struct{ how, reason, story string }

func (b *bootEnd) Error() string { return b.reason }

// bootStatus returns boot's exit status, with a *bootEnd if it is not init's.
func bootStatus(res vm.Result) (int, error) {
	switch res.Outcome {
	case vm.Exited:
		return res.Status, nil
	case vm.Signaled:
		return exitSignal + res.Status, nil
	case vm.TimedOut:
		return exitTimeOut, &bootEnd{endTimeOut, res.Reason, res.Report()}
	case vm.Crash:
		return exitNothing, &bootEnd{endNoVerdict, res.Reason, res.Report()}
	}
	return exitNothing, &bootEnd{endNoVerdict, res.Reason, ""} // the kernel's own lines have told it all
}

// bootMessage returns what boot says at the end: of an error of several lines, all of them
// and then the first once more.
func bootMessage(how string, err error) string {
	story, reason := "", err.Error()
	if end, ok := errors.AsType[*bootEnd](err); ok {
		story = end.story
	} else if first, _, several := strings.Cut(reason, "\n"); several {
		story, reason = reason, strings.TrimSuffix(first, ":")
	}
	var b strings.Builder
	if story != "" {
		fmt.Fprintf(&b, "entrylab boot: %s\n", strings.TrimSuffix(story, "\n"))
	}
	if reason != how {
		how += ": " + reason
	}
	fmt.Fprintf(&b, "entrylab boot: end: %s\n", how)
	return b.String()
}
