package usage

import (
	"context"
	"errors"

	"rollcall.dev/rollcall/api/state"
)

// None is the source for --usage-source none: it has no usage.
type None struct {
	// SetStatus is called once, on Run's goroutine, with the error that usage is switched off.
	SetStatus func(state.SectionStatus)
}

// Run sets the error of the usage section and waits until ctx is done.
func (n None) Run(ctx context.Context) error {
	n.SetStatus(state.SectionStatus{Error: disabled})
	<-ctx.Done()
	return nil
}

// Subscribe does nothing.
func (None) Subscribe() (release func()) { return func() {} }

// ReadNodes returns an error that says why there is no usage.
func (None) ReadNodes(context.Context) (state.Reading, error) {
	return nil, errors.New(disabled.Message)
}
