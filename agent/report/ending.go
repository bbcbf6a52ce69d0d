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

// ended is the error of a session that the agent ends. It carries the reason that is sent to the master.
type ended struct {
	reason wire.EndReason
	words  string
}

func (e *ended) Error() string { return fmt.Sprintf("%s: %s", e.reason, e.words) }

// violation is the error of a master that breaks the protocol. The agent closes that connection with the code;
// other connections are not affected.
type violation struct {
	code  websocket.StatusCode
	words string
}

func (v *violation) Error() string { return v.words }

func protocolError(format string, args ...any) error {
	return &violation{wire.CloseProtocol, fmt.Sprintf(format, args...)}
}

// unsupported is the error of a subscribe request in a protocol version that this agent does not support.
type unsupported struct{ wire.Unsupported }

func (u *unsupported) Error() string { return u.Message }

// errDone: all that was asked for has been sent.
var errDone = errors.New("done")

// label returns the metric label value for the error that ended a session.
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
