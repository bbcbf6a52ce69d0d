package fault

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// side is one of the two websocket connections of a relayed connection.
type side struct {
	ws *websocket.Conn
	// raw is the underlying connection: a *tls.Conn if TLS is used.
	raw net.Conn
	// masked is true if the relay is the client on this side, so that its frames are masked.
	masked bool
}

// close closes the connection without a close frame.
func (s side) close() { _ = s.ws.CloseNow() }

// connection is a relayed connection of a master to the agent.
type connection struct {
	relay         *Relay
	number        int
	master, agent side

	ctx context.Context
	// cut cancels ctx, which ends the connection.
	cut context.CancelFunc
	// closing is set by the goroutine that ends the connection; others wait for ctx. (A
	// sync.Once does not work: in a synctest bubble, time does not advance while a goroutine
	// waits for a mutex.)
	closing atomic.Bool
}

// message is a websocket message.
type message struct {
	kind websocket.MessageType
	data []byte
}

// run forwards in both directions until the connection has ended on both sides.
func (c *connection) run() {
	c.master.ws.SetReadLimit(maxMessage)
	c.agent.ws.SetReadLimit(maxMessage)
	// A blocked write returns only when the connection is closed.
	defer context.AfterFunc(c.ctx, func() {
		_ = c.master.raw.Close()
		_ = c.agent.raw.Close()
	})()
	var back sync.WaitGroup
	back.Go(func() { c.forward(ToAgent, c.master, c.agent) })
	c.forward(ToMaster, c.agent, c.master)
	back.Wait()
}

// forward forwards in one direction. When that ends, it ends the connection.
func (c *connection) forward(d Direction, from, to side) {
	var held *heldBack
	defer func() { c.release(held) }()
	for number := 0; ; number++ {
		kind, data, err := from.ws.Read(c.ctx)
		if err != nil {
			c.finish(err, to)
			return
		}
		m := message{kind, data}
		info := Message{Connection: c.number, Number: number, Direction: d, Size: len(data)}
		f := c.relay.decide(info)
		if f.Kind == Reorder && held == nil {
			held = &heldBack{m, info, f}
			continue
		}
		alive := c.inject(f, m, to)
		if f.Kind != None {
			c.report(info, f)
		}
		if alive && held != nil {
			alive = c.send(held.message, to)
			c.release(held)
			held = nil
		}
		if !alive {
			c.finish(nil, to)
			return
		}
	}
}

// heldBack is a message that waits for the next one.
type heldBack struct {
	message message
	info    Message
	fault   Fault
}

// release reports that a message is no longer held back: it was sent, or is lost.
func (c *connection) release(h *heldBack) {
	if h != nil {
		c.report(h.info, h.fault)
	}
}

// report calls OnInjected for a fault that is over.
func (c *connection) report(info Message, f Fault) {
	c.relay.config.OnInjected(Injected{Message: info, Fault: f, At: time.Now()})
}

// inject injects a fault into a message and sends it. It returns false if the connection has
// to end.
func (c *connection) inject(f Fault, m message, to side) bool {
	switch f.Kind {
	case Drop:
		return true
	case Duplicate:
		if !c.send(m, to) {
			return false
		}
	case Flip, Truncate:
		m.data = f.corrupt(m.data)
	case Delay:
		c.wait(f.For)
	case Stall:
		c.wait(f.For)
		return false
	case CutMaster:
		c.closeOneSide(c.master, f.For)
		return false
	case CutAgent:
		c.closeOneSide(c.agent, f.For)
		return false
	case CutHalfway:
		c.sendHalf(m, to)
		return false
	}
	return c.send(m, to)
}

// send sends a message and reports whether it was written.
func (c *connection) send(m message, to side) bool {
	return to.ws.Write(c.ctx, m.kind, m.data) == nil
}

// sendHalf writes the header of a frame and half of its payload.
func (c *connection) sendHalf(m message, to side) {
	_ = to.raw.SetWriteDeadline(time.Now().Add(time.Second))
	frame := append(header(m, to.masked), m.data[:len(m.data)/2]...)
	_, _ = to.raw.Write(frame)
}

// header returns the header of a frame that is a whole message. A masked frame has the mask
// zero, which does not change the payload.
func header(m message, masked bool) []byte {
	h := []byte{0x80 | byte(m.kind)}
	var bit byte
	if masked {
		bit = 0x80
	}
	switch n := len(m.data); {
	case n < 126:
		h = append(h, bit|byte(n))
	case n <= 0xffff:
		h = binary.BigEndian.AppendUint16(append(h, bit|126), uint16(n))
	default:
		h = binary.BigEndian.AppendUint64(append(h, bit|127), uint64(n))
	}
	if masked {
		h = append(h, 0, 0, 0, 0)
	}
	return h
}

// closeOneSide closes one side, and the other side after the given delay.
func (c *connection) closeOneSide(s side, delay time.Duration) {
	if c.closing.Swap(true) {
		<-c.ctx.Done()
		return
	}
	_ = s.raw.Close()
	c.wait(delay)
	c.cut()
}

// wait waits for a duration or until the connection ends.
func (c *connection) wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.ctx.Done():
	}
}

// finish ends the connection. If err is a close frame, it is forwarded with code and reason.
func (c *connection) finish(err error, to side) {
	if c.closing.Swap(true) {
		<-c.ctx.Done()
		return
	}
	defer c.cut()
	var closed websocket.CloseError
	if !errors.As(err, &closed) || closed.Code == websocket.StatusNoStatusRcvd {
		return
	}
	// The other side may not respond.
	force := time.AfterFunc(closeTimeout, c.cut)
	defer force.Stop()
	_ = to.ws.Close(closed.Code, closed.Reason)
}

// closeTimeout bounds the forwarding of a close frame.
const closeTimeout = time.Second
