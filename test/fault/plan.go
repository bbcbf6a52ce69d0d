package fault

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Kind is a way in which something goes wrong.
type Kind uint8

const (
	// None: the message passes.
	None Kind = iota
	// Drop: it is lost, and what comes after it is not.
	Drop
	// Double: it comes twice.
	Double
	// Reorder: it comes after the one behind it. If there is none any more, it is lost.
	Reorder
	// Flip: some of its bits are wrong.
	Flip
	// Truncate: its end is missing.
	Truncate
	// Delay: it comes later by Fault.For, and what is behind it too.
	Delay
	// Stall: it and all behind it do not come for Fault.For; then the connection is cut.
	Stall
	// CutMaster: the master's connection is cut. The agent's hangs for Fault.For, and
	// is cut too.
	CutMaster
	// CutAgent is the same the other way round.
	CutAgent
	// CutHalfway: the connection is cut when half of the message has come.
	CutHalfway
	numKinds
)

var kindNames = [numKinds]string{"none", "drop", "double", "reorder", "flip", "truncate", "delay", "stall", "cut off the master", "cut off the agent", "cut halfway"}

func (k Kind) String() string { return kindNames[k] }

// Direction is where a message goes.
type Direction uint8

const (
	ToMaster Direction = iota
	ToAgent
)

func (d Direction) String() string {
	if d == ToMaster {
		return "to the master"
	}
	return "to the agent"
}

// Passage is a message that comes by.
type Passage struct {
	// Connection and Number count from 0: the relay's connections, and the messages in
	// this direction of one.
	Connection, Number int
	Direction          Direction
	// Size is in bytes.
	Size int
}

// Fault is what happens to a message.
type Fault struct {
	Kind Kind
	// For is how long a Delay or a Stall takes, and what a cut leaves hanging.
	For time.Duration
	// Seed chooses which bits are flipped and where a message is truncated.
	Seed uint64
}

// Plan says what happens to each message. It is called from several goroutines.
type Plan func(Passage) Fault

// maxDelay is the longest that Random has something wait.
const maxDelay = 2 * time.Second

// Random breaks about one of so many messages in one of the ways given, each as
// likely as any other. What happens to a message is a function of the seed and its
// Passage, so that the same run breaks in the same way.
func Random(seed uint64, oneIn int, kinds ...Kind) Plan {
	return func(p Passage) Fault {
		place := uint64(p.Connection)<<32 | uint64(p.Number)<<1 | uint64(p.Direction)
		random := rand.New(rand.NewPCG(seed, place))
		if random.IntN(oneIn) > 0 {
			return Fault{}
		}
		return Fault{Kind: kinds[random.IntN(len(kinds))], For: time.Duration(random.Int64N(int64(maxDelay))), Seed: random.Uint64()}
	}
}

// Once does f to the message of that number in that direction of the next connection
// or of one that is open, and nothing to any other.
func Once(d Direction, number int, f Fault) Plan {
	done := make(chan struct{}, 1)
	return func(p Passage) Fault {
		if p.Direction != d || p.Number != number {
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

// Happened is a fault that is over.
type Happened struct {
	Passage Passage
	Fault   Fault
	At      time.Time
}

func (h Happened) String() string {
	return fmt.Sprintf("%s: message %d %s of connection %d (%d bytes)", h.Fault.Kind, h.Passage.Number, h.Passage.Direction, h.Passage.Connection, h.Passage.Size)
}

// spoiled is a message with wrong bits, or without its end.
func (f Fault) spoiled(data []byte) []byte {
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
