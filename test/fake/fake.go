// Package fake has a minimal master and a minimal agent: the ends of a connection that tests and benchmarks put in the
// place of the real ones. They encode, decode and verify messages. What is sent, and when, is up to their users.
package fake

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/coder/websocket"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
)

// ErrInvalid is wrapped by the errors of messages that violate the protocol.
var ErrInvalid = errors.New("the other end sent an invalid message")

// end is one end of a connection. Its methods may be used by one sender and one receiver at a time.
type end struct {
	// Conn is the websocket, for what the protocol does not allow.
	*websocket.Conn
	in, out wire.Checksum
}

// SendFrame sends a frame with its checksum.
func (e *end) SendFrame(ctx context.Context, frame []byte) error {
	return e.SendMessage(ctx, websocket.MessageBinary, frame)
}

// SendMessage sends a frame with its checksum as a websocket message of any type.
func (e *end) SendMessage(ctx context.Context, kind websocket.MessageType, frame []byte) error {
	return e.Write(ctx, kind, e.out.Append(frame))
}

// readFrame returns the next frame, without its checksum.
func (e *end) readFrame(ctx context.Context) ([]byte, error) {
	_, frame, err := e.Read(ctx)
	if err != nil {
		return nil, err
	}
	if frame, err = e.in.Verify(frame); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return frame, nil
}

// Agent is the agent's end of a connection.
type Agent struct {
	end
	codec *wire.Codec
}

// Accept accepts a master's connection. The connections of an agent may share a codec.
func Accept(w http.ResponseWriter, r *http.Request, codec *wire.Codec) (*Agent, error) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{wire.Subprotocol}})
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(wire.MaxMasterFrame)
	return &Agent{end: end{Conn: conn}, codec: codec}, nil
}

// Send sends a message.
func (a *Agent) Send(ctx context.Context, m wire.AgentMessage) error {
	frame, err := a.codec.EncodeAgent(m)
	if err != nil {
		return fmt.Errorf("encode %T: %w", m, err)
	}
	return a.SendFrame(ctx, frame)
}

// Receive returns the master's next message.
func (a *Agent) Receive(ctx context.Context) (wire.MasterMessage, error) {
	frame, err := a.readFrame(ctx)
	if err != nil {
		return nil, err
	}
	m, err := wire.DecodeMaster(frame)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return m, nil
}

// Master is the master's end of a connection.
type Master struct {
	end
	codec *wire.Codec
	// unread has the frames of the last Batch that were not returned yet.
	unread [][]byte
	// Channel is the binding of signatures to the TLS connection; token.Unbound without TLS.
	Channel token.Channel
	// Hello is the agent's Hello after ReadHello.
	Hello *wire.Hello
}

// Dial opens a connection to an agent. It also returns the agent's response, even if that is a refusal. address is
// the URL's scheme and host.
func Dial(ctx context.Context, address string, client *http.Client, header http.Header, subprotocols ...string) (*Master, *http.Response, error) {
	conn, response, err := websocket.Dial(ctx, address+wire.Path, &websocket.DialOptions{HTTPClient: client, HTTPHeader: header, Subprotocols: subprotocols})
	if err != nil {
		return nil, response, err
	}
	conn.SetReadLimit(wire.MaxFrame)
	m := &Master{end: end{Conn: conn}, codec: wire.NewCodec(), Channel: token.Unbound}
	if response.TLS != nil {
		m.Channel, err = token.ChannelOf(response.TLS)
	}
	return m, response, err
}

// Send sends a message.
func (m *Master) Send(ctx context.Context, message wire.MasterMessage) error {
	frame, err := wire.EncodeMaster(message)
	if err != nil {
		return fmt.Errorf("encode %T: %w", message, err)
	}
	return m.SendFrame(ctx, frame)
}

// Receive returns the agent's next message.
func (m *Master) Receive(ctx context.Context) (wire.AgentMessage, error) {
	message, _, err := m.ReceiveSized(ctx)
	return message, err
}

// ReceiveSized returns the agent's next message and the size of its frame.
func (m *Master) ReceiveSized(ctx context.Context) (message wire.AgentMessage, size int, err error) {
	for len(m.unread) == 0 {
		frame, err := m.readFrame(ctx)
		if err != nil {
			return nil, 0, err
		}
		if m.unread, err = wire.DecodeBatch(frame); err != nil {
			return nil, 0, err
		}
	}
	frame := m.unread[0]
	m.unread = m.unread[1:]
	message, err = m.codec.DecodeAgent(frame)
	return message, len(frame), err
}

// ReadHello reads the agent's first message.
func (m *Master) ReadHello(ctx context.Context) error {
	message, err := m.Receive(ctx)
	if err != nil {
		return err
	}
	hello, ok := message.(*wire.Hello)
	if !ok {
		return fmt.Errorf("got %T as the agent's first message, want Hello", message)
	}
	m.Hello = hello
	return nil
}

// Statement returns what the SubscribeRequest of a master has to sign.
func (m *Master) Statement(cluster, masterID, session string) token.Statement {
	return token.Statement{
		Domain: token.DomainSubscribe, Cluster: cluster, MasterID: masterID, Session: session, Nonce: m.Hello.Nonce, Channel: m.Channel,
	}
}

// Subscribe signs a SubscribeRequest, unless signer is nil, and sends it.
func (m *Master) Subscribe(ctx context.Context, signer *token.Signer, cluster string, request *wire.SubscribeRequest) error {
	request.Protocol = wire.ProtocolMax
	if signer != nil {
		statement := m.Statement(cluster, request.MasterID, request.Session)
		if statement.Term = request.Term; request.Owner {
			statement.Domain = token.DomainOwner
		}
		request.Signature = signer.SignStatement(statement)
	}
	return m.Send(ctx, request)
}
