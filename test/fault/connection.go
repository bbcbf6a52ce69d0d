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

// side is one of the two connections that a relayed one consists of.
type side struct {
	ws *websocket.Conn
	// raw is what carries the frames: TLS where there is TLS.
	raw net.Conn
	// masked: it is a client's, whose frames are masked.
	masked bool
}

func (s side) close() { _ = s.ws.CloseNow() }

// connection is one master's connection to the agent.
type connection struct {
	relay         *Relay
	number        int
	master, agent side

	ctx context.Context
	// cut ends all that waits, and with it the connection.
	cut context.CancelFunc
	// over: who sets it ends the connection, and others wait until it has. (Not a
	// sync.Once: virtual time stands still while anybody waits for a lock.)
	over atomic.Bool
}

// message is one that comes by.
type message struct {
	kind websocket.MessageType
	data []byte
}

// run relays both ways until the connection has ended on both sides.
func (c *connection) run() {
	c.master.ws.SetReadLimit(maxMessage)
	c.agent.ws.SetReadLimit(maxMessage)
	// A write into a full connection ends with the connection only.
	defer context.AfterFunc(c.ctx, func() {
		_ = c.master.raw.Close()
		_ = c.agent.raw.Close()
	})()
	var back sync.WaitGroup
	back.Go(func() { c.pump(ToAgent, c.master, c.agent) })
	c.pump(ToMaster, c.agent, c.master)
	back.Wait()
}

// pump forwards one direction, and ends the connection when that ends.
func (c *connection) pump(d Direction, from, to side) {
	var held *heldBack
	defer func() { c.release(held) }()
	for number := 0; ; number++ {
		kind, data, err := from.ws.Read(c.ctx)
		if err != nil {
			c.finish(err, to)
			return
		}
		m := message{kind, data}
		p := Passage{Connection: c.number, Number: number, Direction: d, Size: len(data)}
		f := c.relay.decide(p)
		if f.Kind == Reorder && held == nil {
			held = &heldBack{m, p, f}
			continue
		}
		alive := c.pass(f, m, to)
		if f.Kind != None {
			c.tell(p, f)
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

// heldBack is a message that waits for the one behind it.
type heldBack struct {
	message message
	passage Passage
	fault   Fault
}

// release tells that a message is no longer held back: it was sent, or is lost.
func (c *connection) release(h *heldBack) {
	if h != nil {
		c.tell(h.passage, h.fault)
	}
}

func (c *connection) tell(p Passage, f Fault) {
	c.relay.config.Happened(Happened{Passage: p, Fault: f, At: time.Now()})
}

// pass does to a message what the fault says. It gives false where the connection
// is to end.
func (c *connection) pass(f Fault, m message, to side) bool {
	switch f.Kind {
	case Drop:
		return true
	case Double:
		if !c.send(m, to) {
			return false
		}
	case Flip, Truncate:
		m.data = f.spoiled(m.data)
	case Delay:
		c.wait(f.For)
	case Stall:
		c.wait(f.For)
		return false
	case CutMaster:
		c.cutOff(c.master, f.For)
		return false
	case CutAgent:
		c.cutOff(c.agent, f.For)
		return false
	case CutHalfway:
		c.sendHalf(m, to)
		return false
	}
	return c.send(m, to)
}

func (c *connection) send(m message, to side) bool {
	return to.ws.Write(c.ctx, m.kind, m.data) == nil
}

// sendHalf writes a whole frame's header and half of what it announces.
func (c *connection) sendHalf(m message, to side) {
	_ = to.raw.SetWriteDeadline(time.Now().Add(time.Second))
	frame := append(header(m, to.masked), m.data[:len(m.data)/2]...)
	_, _ = to.raw.Write(frame)
}

// header is that of a frame which is a whole message. A masked one has the mask
// zero, which changes nothing.
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

// cutOff cuts one side, and leaves the other hanging for a while.
func (c *connection) cutOff(s side, hang time.Duration) {
	if c.over.Swap(true) {
		<-c.ctx.Done()
		return
	}
	_ = s.raw.Close()
	c.wait(hang)
	c.cut()
}

func (c *connection) wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.ctx.Done():
	}
}

// finish ends the connection. A close that one side said to the other is passed on,
// code and reason; whatever else ended it is a cut.
func (c *connection) finish(err error, to side) {
	if c.over.Swap(true) {
		<-c.ctx.Done()
		return
	}
	defer c.cut()
	var closed websocket.CloseError
	if !errors.As(err, &closed) || closed.Code == websocket.StatusNoStatusRcvd {
		return
	}
	// Who is told may be dead.
	force := time.AfterFunc(farewell, c.cut)
	defer force.Stop()
	_ = to.ws.Close(closed.Code, closed.Reason)
}

// farewell is how long passing on a close may take.
const farewell = time.Second
