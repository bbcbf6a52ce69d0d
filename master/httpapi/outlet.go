package httpapi

import (
	"context"
	"errors"
	"net/http"
	"os"
	"time"

	"rollcall.dev/rollcall/master/view"
)

const (
	// writeStall is how long a reader may take nothing before its stream is cut off.
	writeStall = 10 * time.Second
	// writeSize is how much is written at once: what one deadline is for.
	writeSize = 256 << 10
	// heartbeat is after how much silence something is sent, so that nobody in between
	// takes the stream for dead.
	heartbeat = 15 * time.Second
)

var (
	// errSlow ends the stream of a client that does not read.
	errSlow = errors.New("the client does not read what it is sent")
	// errGone ends the stream of a client that has gone.
	errGone = errors.New("the client has gone")
)

// outlet is where a stream's bytes go. It is used by one goroutine. Its errors are
// errSlow and errGone.
type outlet interface {
	// write takes events that are framed as the outlet says.
	write(events []byte) error
	// flush sends what was written.
	flush() error
	// beat shows a reader that the stream lives; it may do so by a bookmark.
	beat(bookmark func() ([]byte, error)) error
	// gone is closed when the client is.
	gone() <-chan struct{}
	// messages are what the client says, nil where it cannot say anything.
	messages() <-chan []byte
	// close ends the stream, after an ERROR event where there is a problem.
	close(p *Problem)
}

// response is an outlet over a plain answer, as JSON lines or Server-Sent Events.
type response struct {
	w          http.ResponseWriter
	controller *http.ResponseController
	ctx        context.Context
	sse, http2 bool
	// bookmarks are wanted in silence too; nothing else fits between JSON lines.
	bookmarks bool
}

// newResponse begins the answer.
func newResponse(w http.ResponseWriter, r *http.Request, f view.Framing, bookmarks bool) *response {
	o := &response{w: w, controller: http.NewResponseController(w), ctx: r.Context(), sse: alone(f) == view.ServerSent, http2: r.ProtoMajor == 2, bookmarks: bookmarks}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if o.sse {
		h.Set("Content-Type", "text/event-stream")
	}
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Vary", "Accept, Accept-Encoding, Authorization, Cookie")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	return o
}

func (o *response) write(events []byte) error {
	for len(events) > 0 {
		n := min(len(events), writeSize)
		// What cannot have deadlines is a test's.
		_ = o.controller.SetWriteDeadline(time.Now().Add(writeStall))
		if _, err := o.w.Write(events[:n]); err != nil {
			return o.failed(err)
		}
		events = events[n:]
	}
	return nil
}

func (o *response) flush() error {
	if err := o.controller.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return o.failed(err)
	}
	if o.http2 {
		// There a deadline that passes ends a stream though nothing is written.
		_ = o.controller.SetWriteDeadline(time.Time{})
	}
	return nil
}

func (o *response) failed(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errSlow
	}
	return errGone
}

func (o *response) beat(bookmark func() ([]byte, error)) error {
	switch {
	case o.sse:
		return o.write([]byte(":\n\n"))
	case !o.bookmarks:
		return nil
	}
	event, err := bookmark()
	if err != nil {
		return err
	}
	return o.write(event)
}

func (o *response) gone() <-chan struct{}   { return o.ctx.Done() }
func (o *response) messages() <-chan []byte { return nil }

func (o *response) close(p *Problem) {
	if p == nil {
		return
	}
	f := view.Lines
	if o.sse {
		f = view.ServerSent
	}
	if o.write(errorLine(p, f, "")) == nil {
		// Nobody is left to tell of an error.
		_ = o.flush()
	}
}
