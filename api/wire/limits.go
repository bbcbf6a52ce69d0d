package wire

import (
	"errors"
	"fmt"
	"time"
)

// What both sides agree on before the first message.
const (
	// Subprotocol is the websocket subprotocol; an upgrade without it is refused.
	Subprotocol = "rollcall.v1"
	// Path is where an agent serves it.
	Path = "/v1/report"
	// ClusterNameHeader is in the answer by which an agent refuses a token for another
	// cluster that one of its keys has signed: the name of the agent's own cluster. Who
	// shows any other token is not told it.
	ClusterNameHeader = "Rollcall-Cluster-Name"
	// NonceHeader is in the answer by which an agent refuses a token for its times alone: a
	// nonce that a second token is to claim (package token).
	NonceHeader = "Rollcall-Nonce"
	// ProtocolHeader is in every answer by which an agent refuses a token: which protocols
	// it speaks, as "3-3". Before protocol 3 there was none.
	ProtocolHeader = "Rollcall-Protocol"
	// Realm is in the header WWW-Authenticate of every answer by which an agent refuses a
	// token, of all protocols.
	Realm = "rollcall"
	// ProtocolMin and ProtocolMax are what this code speaks of it.
	ProtocolMin, ProtocolMax = 3, 3
)

// Close codes of the websocket, from the range for private use.
const (
	// CloseResync: what came does not fit what is held. The master redials without
	// a base.
	CloseResync = 4002
	// CloseProtocol: a message that has no place there, or cannot be decoded.
	CloseProtocol = 4003
	// CloseSilent: nothing came for longer than the protocol allows.
	CloseSilent = 4004
)

// Bounds, checked before memory is taken.
const (
	// MaxFrame is the largest frame from an agent with its seal, and the master's read
	// limit.
	MaxFrame = 4 << 20
	// MaxMessage is the largest message, which a frame may hold as it is or decompress
	// to.
	MaxMessage = MaxFrame - 1<<10
	// MaxMasterFrame is the largest frame from a master with its seal, and the agent's
	// read limit.
	MaxMasterFrame = 64 << 10
	// minNonce and maxNonce are the sizes that a nonce may have, signatureSize is that of a
	// signature.
	minNonce, maxNonce, signatureSize = 16, 64, 64
	// MaxIgnore is how many Ignore a Report may have.
	MaxIgnore = 32
	// MaxUnacked is how much an agent has on its way without an Ack when it begins a
	// flush, in bytes of frames.
	MaxUnacked = 1 << 20
	// compressFrom is the size from which a message is compressed.
	compressFrom = 256
	// chunkTarget is where an agent begins the next chunk of a snapshot, before it is
	// compressed.
	chunkTarget = 160 << 10
	// chunkWindow is how far back an agent's encoder looks.
	chunkWindow = 256 << 10
	// maxMessageObjects is how many objects one message may have: columns in which
	// nothing changes cost next to nothing, but what they become does.
	maxMessageObjects = 1 << 16
	// maxMessageElements is how many elements the lists of one message's objects may have
	// together, for the same reason.
	maxMessageElements = 1 << 19
	// decodeFactor is by how much what a message is decoded to may be larger than the
	// message, and MaxDecodeSize what the largest takes with that, in bytes.
	decodeFactor  = 16
	MaxDecodeSize = decodeFactor*MaxMessage + 2*MaxFrame
	// maxSmallFields is how many fields a message has at most, repeated ones counted each,
	// that is no Snapshot, Delta or Usage, nor holds one.
	maxSmallFields = 1 << 10
	// maxSmall is the largest message that is no Snapshot, Delta or Usage, nor holds one.
	maxSmall = 256 << 10
	// MaxObjects is how many objects a cluster may have, of all kinds.
	MaxObjects = 4 << 20
	// MaxSlots is how many slots an agent may give: a reading of so many nodes and
	// containers still fits MaxMessage.
	MaxSlots = 1 << 19
	// maxBatch is how many frames are joined to one.
	maxBatch = 16
	// batchNumber is the number of AgentMessage.batch.
	batchNumber = 11
	// zstdNumber is the number of AgentMessage.zstd.
	zstdNumber = 15
	// uidsNumber is the number of AgentMessage.uids.
	uidsNumber = 16
	// maxStrings is how many different strings a snapshot may have.
	maxStrings = 8 << 20
	// maxString is the longest string, in bytes.
	maxString = 4 << 10
	// maxWords is the longest text for people in End, Status and Unsupported.
	maxWords = 1 << 10
)

// Times of the protocol.
const (
	// WriteTimeout is how long one message may take to be written.
	WriteTimeout = 5 * time.Second
	// GatherTime is for how long changes after the first are gathered.
	GatherTime = 100 * time.Millisecond
)

// Silence is how long either side waits for a sign of the other.
func Silence(period time.Duration) time.Duration { return max(3*period, 3*time.Second) }

// ErrTooLarge says that a message does not fit a frame.
var ErrTooLarge = errors.New("message is larger than a frame")

// ErrResync says that what came does not fit what is held: close with CloseResync
// and begin anew without a base.
var ErrResync = errors.New("resync")

func resync(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrResync, fmt.Sprintf(format, args...))
}
