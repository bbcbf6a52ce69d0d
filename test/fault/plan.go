package fault

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"time"
)

// Kind is a kind of fault.
type Kind uint8

const (
	// None forwards the message.
	None Kind = iota
	// Drop drops the message.
	Drop
	// Duplicate sends the message twice.
	Duplicate
	// Reorder sends the message after the next one. If there is no next one, the message is lost.
	Reorder
	// Flip flips some bits of the message.
	Flip
	// Truncate cuts off the end of the message.
	Truncate
	// Delay delays the message and all that follow by Fault.For.
	Delay
	// Stall holds back the message and all that follow for Fault.For, and then cuts the
	// connection.
	Stall
	// CutMaster closes the connection to the master, and that to the agent after Fault.For.
	CutMaster
	// CutAgent closes the connection to the agent, and that to the master after Fault.For.
	CutAgent
	// CutHalfway sends half of the message and cuts the connection.
	CutHalfway
	numKinds
)

// kindNames has the names of the kinds, by kind.
var kindNames = [numKinds]string{"none", "drop", "duplicate", "reorder", "flip", "truncate", "delay", "stall", "cut off the master", "cut off the agent", "cut halfway"}

// String returns the name of the kind, for messages.
func (k Kind) String() string { return kindNames[k] }

// Direction is the direction of a message.
type Direction uint8

const (
	ToMaster Direction = iota
	ToAgent
)

// String returns "to the master" or "to the agent".
func (d Direction) String() string {
	if d == ToMaster {
		return "to the master"
	}
	return "to the agent"
}

// Message describes a message to a Plan.
type Message struct {
	// Connection is the number of the relay's connection, and Number that of the message in
	// its direction. Both count from 0.
	Connection, Number int
	Direction          Direction
	// Size is in bytes.
	Size int
}

// Fault is a fault of a message.
type Fault struct {
	Kind Kind
	// For is the duration of a Delay or Stall, and the time between the closing of the two
	// sides of a CutMaster or CutAgent.
	For time.Duration
	// Seed chooses which bits are flipped and where a message is truncated.
	Seed uint64
	// Old and New are a text and its replacement, in place of the flipped bits of a Flip, if Old is not empty.
	Old, New string
}

// Plan returns the fault of a message. It is called concurrently.
type Plan func(Message) Fault

// maxDelay is the maximum Fault.For of Random.
const maxDelay = 2 * time.Second

// Random returns a plan that injects a fault into one of oneIn messages on average, of a
// random kind. The fault is a function of the seed and the Message, so that a run can be
// repeated.
func Random(seed uint64, oneIn int, kinds ...Kind) Plan {
	return func(m Message) Fault {
		position := uint64(m.Connection)<<32 | uint64(m.Number)<<1 | uint64(m.Direction)
		random := rand.New(rand.NewPCG(seed, position))
		if random.IntN(oneIn) > 0 {
			return Fault{}
		}
		return Fault{Kind: kinds[random.IntN(len(kinds))], For: time.Duration(random.Int64N(int64(maxDelay))), Seed: random.Uint64()}
	}
}

// Once returns a plan that injects f once: into the message of that number and direction of
// the first connection that sends it.
func Once(d Direction, number int, f Fault) Plan {
	done := make(chan struct{}, 1)
	return func(m Message) Fault {
		if m.Direction != d || m.Number != number {
			return Fault{}
		}
		select {
		case done <- struct{}{}:
			return f
		default:
			return Fault{}
		}
	}
}

// Injected is a fault that has been injected.
type Injected struct {
	Message Message
	Fault   Fault
	At      time.Time
}

// String returns the fault and its message in one line.
func (h Injected) String() string {
	return fmt.Sprintf("%s: message %d %s of connection %d (%d bytes)", h.Fault.Kind, h.Message.Number, h.Message.Direction, h.Message.Connection, h.Message.Size)
}

// corrupt flips bits of data or truncates it.
func (f Fault) corrupt(data []byte) []byte {
	if f.Old != "" {
		return bytes.Replace(data, []byte(f.Old), []byte(f.New), 1)
	}
	if len(data) == 0 {
		return data
	}
	random := rand.New(rand.NewPCG(f.Seed, 1))
	if f.Kind == Truncate {
		return data[:random.IntN(len(data))]
	}
	for _, bit := range random.Perm(8 * len(data))[:1+random.IntN(min(4, len(data)))] {
		data[bit/8] ^= 1 << (bit % 8)
	}
	return data
}
