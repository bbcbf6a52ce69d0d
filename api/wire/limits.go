package wire

import (
	"errors"
	"fmt"
	"time"

	"rollcall.dev/rollcall/api/wire/columnar"
)

// Parts of the HTTP upgrade that both sides know in advance.
const (
	// Subprotocol is the websocket subprotocol. The agent refuses an upgrade without it.
	Subprotocol = "rollcall.v1"
	// Path is the path of the agent's websocket endpoint.
	Path = "/v1/report"
	// ClusterNameHeader is set if an agent refuses a token for another cluster that was signed by
	// one of its keys. Its value is the name of the agent's own cluster, which other clients do
	// not get.
	ClusterNameHeader = "Rollcall-Cluster-Name"
	// NonceHeader is set if an agent refuses a token only because of its times. Its value is a
	// nonce for a second token to claim (package token).
	NonceHeader = "Rollcall-Nonce"
	// ProtocolHeader is set in every response that refuses a token. Its value is the agent's range
	// of protocols, such as "3-4". Agents before protocol 3 do not set it.
	ProtocolHeader = "Rollcall-Protocol"
	// Realm is the realm in the WWW-Authenticate header of every response that refuses a token, in
	// all protocols.
	Realm = "rollcall"
	// ProtocolMin and ProtocolMax are the range of protocols that this code speaks.
	ProtocolMin, ProtocolMax = 3, 4
	// ProtocolTerms is the first protocol with terms and owners.
	ProtocolTerms = 4
)

// Websocket close codes, from the range for private use.
const (
	// CloseResync means that a received message is inconsistent with the held state. The master
	// reconnects without a base.
	CloseResync = 4002
	// CloseProtocol means that a message was out of order or could not be decoded.
	CloseProtocol = 4003
	// CloseSilent means that no message arrived within SilenceTimeout.
	CloseSilent = 4004
)

// Limits, checked before memory is allocated.
const (
	// MaxFrame is the largest frame from an agent including its checksum, and the master's read
	// limit, in bytes.
	MaxFrame = 4 << 20
	// MaxMessage is the largest message in bytes, after decompression.
	MaxMessage = MaxFrame - 1<<10
	// MaxMasterFrame is the largest frame from a master including its checksum, and the agent's
	// read limit, in bytes.
	MaxMasterFrame = 64 << 10
	// minNonce and maxNonce limit the size of a nonce; signatureSize is the size of a signature.
	// All are in bytes.
	minNonce, maxNonce, signatureSize = 16, 64, 64
	// MaxTermLead is how far a granted term may be ahead of the agent's clock, unless the term
	// before it is.
	MaxTermLead = 24 * time.Hour
	// MaxIgnore is the largest number of Ignore rules in a SubscribeRequest.
	MaxIgnore = 32
	// MaxUnackedBytes is the amount of unacknowledged frames above which an agent starts no flush.
	MaxUnackedBytes = 1 << 20
	// compressFrom is the size in bytes from which a message is compressed.
	compressFrom = 256
	// chunkWindow is the window size of an agent's zstd encoder, in bytes.
	chunkWindow = 256 << 10
	// decodeFactor is the largest ratio of a decoded message's memory to its size. MaxDecodeSize
	// is the resulting largest DecodeSize, in bytes.
	decodeFactor  = 16
	MaxDecodeSize = decodeFactor*MaxMessage + 2*MaxFrame
	// ChunkDecodeSize is a DecodeSize that the chunks of an agent's snapshot do not exceed, in
	// bytes: an agent starts the next chunk with the object that reaches columnar.ChunkTarget.
	ChunkDecodeSize = 2 * decodeFactor * columnar.ChunkTarget
	// maxSmallFields is the largest number of fields, repeated ones counted individually, of a
	// message that has no Snapshot, Delta or Usage.
	maxSmallFields = 1 << 10
	// maxSmall is the largest size in bytes of a message that has no Snapshot, Delta or Usage.
	maxSmall = 256 << 10
	// MaxObjects is the largest number of objects of a cluster, of all kinds.
	MaxObjects = 4 << 20
	// MaxSlots is the largest number of slots that an agent may assign. A usage reading with that
	// many slots fits MaxMessage.
	MaxSlots = columnar.MaxSlots
	// maxBatch is the largest number of frames in a Batch.
	maxBatch = 16
	// batchNumber is the field number of AgentMessage.batch.
	batchNumber = 11
	// zstdNumber is the field number of AgentMessage.zstd.
	zstdNumber = 15
	// uidsNumber is the field number of AgentMessage.uids.
	uidsNumber = 16
	// maxText is the largest length in bytes of messages and other texts outside of Objects.
	maxText = 1 << 10
)

// Timing of the protocol.
const (
	// WriteTimeout is the time limit for writing one message.
	WriteTimeout = 5 * time.Second
	// FlushDelay is for how long an agent collects further changes after it has sent the first.
	FlushDelay = 100 * time.Millisecond
)

// SilenceTimeout returns how long a side waits for a frame or an Ack of the other side before it
// closes with CloseSilent. The period is the one between the agent's ticks.
func SilenceTimeout(period time.Duration) time.Duration { return max(3*period, 3*time.Second) }

// ErrTooLarge is returned if a message does not fit a frame.
var ErrTooLarge = columnar.ErrTooLarge

// ErrResync is returned if a received message is inconsistent with the held state. The caller
// closes with CloseResync and reconnects without a base.
var ErrResync = errors.New("resync")

func resync(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrResync, fmt.Sprintf(format, args...))
}
