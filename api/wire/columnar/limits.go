package columnar

import "errors"

// Limits of one message, checked before memory is allocated.
const (
	// ChunkTarget is the uncompressed size in bytes from which the next object starts a new chunk.
	ChunkTarget = 160 << 10
	// MaxObjects is the largest number of objects in one message. It is limited because columns
	// without changes have almost no bytes, but decoded objects do.
	MaxObjects = 1 << 16
	// MaxElements is the largest number of list elements in one message, for the same reason.
	MaxElements = 1 << 19
	// MaxSlots is the largest number of slots that an agent may assign.
	MaxSlots = 1 << 19
	// MaxStrings is the largest number of distinct strings in a snapshot.
	MaxStrings = 8 << 20
	// MaxString is the largest length of a string in bytes.
	MaxString = 4 << 10
)

// ErrTooLarge is returned if objects do not fit into one message.
var ErrTooLarge = errors.New("message is too large")
