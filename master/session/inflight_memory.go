package session

import (
	"context"

	"golang.org/x/sync/semaphore"
	"rollcall.dev/rollcall/api/wire"
)

// Limits of the memory of messages that are being read or decoded, in bytes, for all agents together. Small
// messages are not limited.
const (
	// maxReadMemory limits the messages that are being read, apart from the first freeReadSize bytes of each.
	maxReadMemory = 64 << 20
	freeReadSize  = 64 << 10
	// maxDecodeMemory limits what messages are decoded to, apart from messages of up to freeDecodeSize. It
	// allows two of the largest messages at the same time.
	maxDecodeMemory = 2 * wire.MaxDecodeSize
	freeDecodeSize  = 64 << 10
)

// inflightMemory limits the memory of messages that a Receiver has not processed yet.
type inflightMemory struct{ reads, decodes *semaphore.Weighted }

func newInflightMemory() *inflightMemory {
	return &inflightMemory{reads: semaphore.NewWeighted(maxReadMemory), decodes: semaphore.NewWeighted(maxDecodeMemory)}
}

// acquireRead waits until the rest of a large message may be read, and returns a function that releases its
// memory.
func (m *inflightMemory) acquireRead(ctx context.Context) (release func(), err error) {
	return acquire(ctx, m.reads, 2*wire.MaxFrame)
}

// acquireDecode waits until a message may be decoded, and returns a function that releases its memory, or nil
// for a small message.
func (m *inflightMemory) acquireDecode(ctx context.Context, frame []byte) (release func(), err error) {
	size := wire.DecodeSize(frame)
	if size <= freeDecodeSize {
		return nil, nil
	}
	return acquire(ctx, m.decodes, size)
}

func acquire(ctx context.Context, sem *semaphore.Weighted, n int64) (func(), error) {
	if err := sem.Acquire(ctx, n); err != nil {
		return nil, err
	}
	return func() { sem.Release(n) }, nil
}
