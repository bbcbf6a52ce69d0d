package join

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// undoTimeout limits the removal of what a failed run has created.
const undoTimeout = 30 * time.Second

// ErrFailed is the error of a run that has printed why it failed.
var ErrFailed = errors.New("failed; see above")

// Fault is the cause of a failed step, and what to do about it.
type Fault struct{ Cause, Remedy string }

func (f *Fault) Error() string { return f.Cause + ": " + f.Remedy }

// result is what a step has found.
type result struct {
	// text says what was checked or done.
	text string
	// warnings are about what works less well than it could.
	warnings []string
}

func resultf(format string, args ...any) (result, error) {
	return result{text: fmt.Sprintf(format, args...)}, nil
}

// step is one thing that is checked or done.
type step struct {
	title string
	do    func(context.Context) (result, error)
}

// run executes steps, prints their results, and undoes what they have created if one fails.
type run struct {
	out io.Writer
	// created has the removal of each object that this run has created. changed has the objects that existed before and
	// that it has changed.
	created []removal
	changed []string
}

// removal removes something that a run has created.
type removal struct {
	what string
	do   func(context.Context) error
}

const titleWidth = 14

func (r *run) printLine(mark, title, text string) {
	lines := strings.Split(strings.TrimRight(state.CleanText(text), "\n"), "\n")
	fmt.Fprintf(r.out, "%s %-*s %s\n", mark, titleWidth, title, lines[0])
	for _, line := range lines[1:] {
		fmt.Fprintf(r.out, "  %*s %s\n", titleWidth, "", line)
	}
}

// execute runs steps until one fails. It then undoes what was created, prints that, and returns ErrFailed.
func (r *run) execute(ctx context.Context, steps []step) error {
	for _, s := range steps {
		found, err := s.do(ctx)
		if err != nil {
			r.fail(ctx, s.title, err)
			return ErrFailed
		}
		if found.text != "" {
			r.printLine("✓", s.title, found.text)
		}
		for _, w := range found.warnings {
			r.printLine("!", s.title, w)
		}
	}
	return nil
}

// fail prints the cause and the remedy of an error, and undoes what was created.
func (r *run) fail(ctx context.Context, title string, err error) {
	r.printFailure(title, err)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	removed := 0
	for i := len(r.created) - 1; i >= 0; i-- {
		if err := r.created[i].do(ctx); err != nil {
			r.printLine("!", "undo", fmt.Sprintf("%s stays: %v", r.created[i].what, err))
			continue
		}
		removed++
	}
	if removed > 0 {
		r.printLine("↩", "undo", fmt.Sprintf("removed what this run had created: %s", plural(removed, "object")))
	}
	if len(r.changed) > 0 {
		r.printLine("!", "undo", "these existed before and stay as this run has changed them: "+strings.Join(r.changed, ", "))
	}
}

// printFailure prints the cause and the remedy of an error.
func (r *run) printFailure(title string, err error) {
	var fault *Fault
	if !errors.As(err, &fault) {
		r.printLine("✗", title, err.Error())
		return
	}
	cause := strings.TrimSuffix(err.Error(), ": "+fault.Remedy)
	r.printLine("✗", title, cause+"\n→ "+fault.Remedy)
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// pollPeriod is the time between two looks at something that is awaited.
const pollPeriod = 200 * time.Millisecond

// poll calls done until it returns true or an error. If ctx ends first, it returns the error of ctx.
func poll(ctx context.Context, done func(context.Context) (bool, error)) error {
	ticker := time.NewTicker(pollPeriod)
	defer ticker.Stop()
	for {
		ok, err := done(ctx)
		if ok || err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
