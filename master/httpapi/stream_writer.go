package httpapi

import (
	"context"
	"errors"
	"net/http"
	"os"
	"time"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/master/view"
)

const (
	// streamWriteTimeout is how long a client may fail to read before its stream is closed.
	streamWriteTimeout = 10 * time.Second
	// writeChunk is the number of bytes per write; each write has its own deadline.
	writeChunk = 256 << 10
	// heartbeatInterval is the time without events after which a heartbeat is sent, so that proxies
	// keep the connection open.
	heartbeatInterval = 15 * time.Second
)

var (
	// errSlowClient ends the stream of a client that does not read.
	errSlowClient = errors.New("the client does not read the stream")
	// errClientGone ends the stream of a client that has disconnected.
	errClientGone = errors.New("the client has disconnected")
)

// streamWriter writes a stream to a client. It is not safe for concurrent use. Its errors are
// errSlowClient and errClientGone.
type streamWriter interface {
	// write writes events that are framed for this writer.
	write(events []byte) error
	// flush sends what was written.
	flush() error
	// heartbeat shows the client that the stream is alive, if necessary with a bookmark.
	heartbeat(bookmark func() ([]byte, error)) error
	// done is closed when the client disconnects.
	done() <-chan struct{}
	// messages returns the client's messages, or nil if it cannot send any.
	messages() <-chan []byte
	// close ends the stream. If there is a problem, it sends an ERROR event first.
	close(p *httpv1.Problem)
}

// httpWriter is a streamWriter over an HTTP response, as JSON lines or server-sent events.
type httpWriter struct {
	w          http.ResponseWriter
	controller *http.ResponseController
	ctx        context.Context
	sse, http2 bool
	// bookmarks enables heartbeats in a stream of JSON lines, where only a BOOKMARK can be one.
	bookmarks bool
}

// newHTTPWriter writes the header of the response and returns its writer.
func newHTTPWriter(w http.ResponseWriter, r *http.Request, f view.Framing, bookmarks bool) *httpWriter {
	o := &httpWriter{w: w, controller: http.NewResponseController(w), ctx: r.Context(), sse: withoutCluster(f) == view.SSE, http2: r.ProtoMajor == 2, bookmarks: bookmarks}
	h := w.Header()
	h.Set("Content-Type", httpv1.WatchMediaType)
	if o.sse {
		h.Set("Content-Type", "text/event-stream")
	}
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Vary", "Accept, Accept-Encoding, Authorization, Cookie")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	return o
}

func (o *httpWriter) write(events []byte) error {
	for len(events) > 0 {
		n := min(len(events), writeChunk)
		// Only writers in tests do not support deadlines.
		_ = o.controller.SetWriteDeadline(time.Now().Add(streamWriteTimeout))
		if _, err := o.w.Write(events[:n]); err != nil {
			return o.writeError(err)
		}
		events = events[n:]
	}
	return nil
}

func (o *httpWriter) flush() error {
	if err := o.controller.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return o.writeError(err)
	}
	if o.http2 {
		// In HTTP/2 an expired deadline ends the stream even if nothing is being written.
		_ = o.controller.SetWriteDeadline(time.Time{})
	}
	return nil
}

func (o *httpWriter) writeError(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errSlowClient
	}
	return errClientGone
}

func (o *httpWriter) heartbeat(bookmark func() ([]byte, error)) error {
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

func (o *httpWriter) done() <-chan struct{}   { return o.ctx.Done() }
func (o *httpWriter) messages() <-chan []byte { return nil }

func (o *httpWriter) close(p *httpv1.Problem) {
	if p == nil {
		return
	}
	f := view.JSONLines
	if o.sse {
		f = view.SSE
	}
	if o.write(errorLine(p, f, "")) == nil {
		// A failed write means that the client has disconnected.
		_ = o.flush()
	}
}
