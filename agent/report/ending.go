package report

import (
	"errors"
	"fmt"

	"github.com/coder/websocket"
	"rollcall.dev/rollcall/api/wire"
)

// How a conversation ends is an error: *ended, *violation and *unsupported are told
// to the master, errDone needs no more words, not even a close frame, and any other means that the
// connection is lost.

// ended is an end that the agent decides and says why.
type ended struct {
	reason wire.EndReason
	words  string
}

func (e *ended) Error() string { return fmt.Sprintf("%s: %s", e.reason, e.words) }

// violation is a master that breaks the protocol: the connection is closed with a
// code, and nothing else is disturbed.
type violation struct {
	code  websocket.StatusCode
	words string
}

func (v *violation) Error() string { return v.words }

func protocolError(format string, args ...any) error {
	return &violation{wire.CloseProtocol, fmt.Sprintf(format, args...)}
}

// unsupported is a Report in a protocol that this agent does not speak.
type unsupported struct{ wire.Unsupported }

func (u *unsupported) Error() string { return u.Message }

// errDone: all that was asked for has been sent.
var errDone = errors.New("done")

// label is an end as a label of metrics.
func label(err error) string {
	if e := (*ended)(nil); errors.As(err, &e) {
		return e.reason.String()
	}
	if v := (*violation)(nil); errors.As(err, &v) {
		if v.code == wire.CloseSilent {
			return "silent"
		}
		return "protocol"
	}
	return "lost"
}
