package admission

import (
	"context"

	"rollcall.dev/rollcall/api/wire"
)

// Limits of the memory of messages that are being read or decoded, in bytes, for all agents together. Small
// messages are not limited.
const (
	// MaxReadMemory limits the messages that are being read, apart from the first FreeReadSize bytes of each.
	MaxReadMemory = 64 << 20
	// FreeReadSize is how much of each message is read without a limit.
	FreeReadSize = 64 << 10
	// MaxDecodeMemory limits what large messages are decoded to: one of the largest, or several smaller ones at
	// the same time. MaxChunkMemory limits messages of up to the size of a snapshot's chunk, which do not wait
	// behind large ones. Messages of up to FreeDecodeSize are not limited.
	MaxDecodeMemory = wire.MaxDecodeSize
	MaxChunkMemory  = 8 * wire.ChunkDecodeSize
	FreeDecodeSize  = 64 << 10
)

// MessageMemory limits the memory of messages that a Receiver has not processed yet.
type MessageMemory struct{ reads, decodes, chunks *Semaphore }

func newMessageMemory() *MessageMemory {
	return &MessageMemory{reads: NewSemaphore(MaxReadMemory), decodes: NewSemaphore(MaxDecodeMemory), chunks: NewSemaphore(MaxChunkMemory)}
}

// AcquireRead waits until the rest of a message of more than FreeReadSize may be read, and returns a function
// that releases its memory.
func (m *MessageMemory) AcquireRead(ctx context.Context) (release func(), err error) {
	return m.reads.Acquire(ctx, 2*wire.MaxFrame, nil)
}

// AcquireDecode waits until an encoded message may be decoded, and returns a function that releases its
// memory, or nil for a small message.
func (m *MessageMemory) AcquireDecode(ctx context.Context, message []byte) (release func(), err error) {
	size := wire.DecodeSize(message)
	switch {
	case size <= FreeDecodeSize:
		return nil, nil
	case size <= wire.ChunkDecodeSize:
		return m.chunks.Acquire(ctx, size, nil)
	}
	return m.decodes.Acquire(ctx, size, nil)
}
