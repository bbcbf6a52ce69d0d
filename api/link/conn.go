package link

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/coder/websocket"
)

// Conn sends and receives text messages.
type Conn interface {
	Read(ctx context.Context) ([]byte, error)
	Write(ctx context.Context, message []byte) error
}

// wsConn is a Conn over a websocket.
type wsConn struct{ ws *websocket.Conn }

// WebSocket returns a Conn over a websocket, whose messages it limits to MaxMessage.
func WebSocket(ws *websocket.Conn) Conn {
	ws.SetReadLimit(MaxMessage)
	return wsConn{ws}
}

func (c wsConn) Read(ctx context.Context) ([]byte, error) {
	kind, message, err := c.ws.Read(ctx)
	if err == nil && kind != websocket.MessageText {
		err = errors.New("got a binary message, want a text message")
	}
	return message, err
}

func (c wsConn) Write(ctx context.Context, message []byte) error {
	return c.ws.Write(ctx, websocket.MessageText, message)
}

// envelope adds the type to a message.
type envelope[M any] struct {
	Type    string `json:"type"`
	Message M      `json:"message"`
}

// send sends a message, and returns its bytes for the transcript.
func send[M any](ctx context.Context, c Conn, kind string, m M) ([]byte, error) {
	encoded, err := json.Marshal(envelope[M]{kind, m})
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", kind, err)
	}
	if err := c.Write(ctx, encoded); err != nil {
		return nil, fmt.Errorf("send %s: %w", kind, err)
	}
	return encoded, nil
}

// receive receives a message of the given type. If the peer sent Refused instead, it returns that as an error. It
// returns the message's bytes too, for the transcript.
func receive[M any](ctx context.Context, c Conn, kind string) (m M, encoded []byte, err error) {
	encoded, err = c.Read(ctx)
	if err != nil {
		return m, nil, fmt.Errorf("receive %s: %w", kind, err)
	}
	var e envelope[json.RawMessage]
	if err := json.Unmarshal(encoded, &e); err != nil {
		return m, nil, fmt.Errorf("receive %s: %w: not a JSON object", kind, errInvalid)
	}
	switch e.Type {
	case kind:
	case typeRefused:
		var refused Refused
		if json.Unmarshal(e.Message, &refused) == nil {
			return m, nil, refused.normalized()
		}
		return m, nil, fmt.Errorf("receive %s: %w: the refusal cannot be decoded", kind, errInvalid)
	default:
		return m, nil, fmt.Errorf("receive %s: %w: got a message of another type", kind, errInvalid)
	}
	if err := json.Unmarshal(e.Message, &m); err != nil {
		return m, nil, fmt.Errorf("receive %s: %w: a field has another type", kind, errInvalid)
	}
	return m, encoded, nil
}

// errInvalid is the error of a message that cannot be decoded or used.
var errInvalid = errors.New("invalid message")

// SendBegin is called by the master to begin a session or summary on an idle link.
func SendBegin(ctx context.Context, c Conn, begin Begin) error {
	_, err := send(ctx, c, typeBegin, begin)
	return err
}

// AwaitBegin is called by the agent on an idle link, and returns when the master has sent Begin.
func AwaitBegin(ctx context.Context, c Conn) (Begin, error) {
	begin, _, err := receive[Begin](ctx, c, typeBegin)
	return begin, err
}
