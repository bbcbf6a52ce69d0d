package report

import (
	"errors"
	"fmt"

	"github.com/coder/websocket"
	"rollcall.dev/rollcall/api/wire"
)

// Every connection ends with an error, and peer.close chooses from it how the connection is closed:
//
//   - endError: an End message with the reason, then a normal close
//   - unsupportedError: an Unsupported message, then a normal close
//   - violationError: a close with its code
//   - any other error, and errSummarySent: the TCP connection is closed without a close frame; a link stays open after
//     errSummarySent

// endError is the error of a connection that the agent ends for a reason of its own, or because the master
// asked for it.
type endError struct {
	reason  wire.EndReason
	message string
}

func (e *endError) Error() string { return fmt.Sprintf("%s: %s", e.reason, e.message) }

// violationError is the error of a master that violates the protocol. Only its own connection is closed.
type violationError struct {
	code    websocket.StatusCode
	message string
}

func (v *violationError) Error() string { return v.message }

// protocolViolation returns a violationError with wire.CloseProtocol.
func protocolViolation(format string, args ...any) error {
	return &violationError{wire.CloseProtocol, fmt.Sprintf(format, args...)}
}

// unsupportedError is the error of a SubscribeRequest in a protocol version that this agent does not support.
type unsupportedError struct{ wire.Unsupported }

func (u *unsupportedError) Error() string { return u.Message }

// errSummarySent is the error of a connection after its Summary was sent. Package wire specifies that neither side sends
// a close frame then.
var errSummarySent = errors.New("the summary was sent")

// reasonLabel returns the metric label value for the error that ended a session.
func reasonLabel(err error) string {
	if e := (*endError)(nil); errors.As(err, &e) {
		return e.reason.String()
	}
	if v := (*violationError)(nil); errors.As(err, &v) {
		if v.code == wire.CloseSilent {
			return "silent"
		}
		return "protocol"
	}
	return "lost"
}
