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
	// maxDecodeMemory limits what large messages are decoded to: one of the largest, or several smaller ones at
	// the same time. maxChunkMemory limits messages of up to the size of a snapshot's chunk, which do not wait
	// behind large ones. Messages of up to freeDecodeSize are not limited.
	maxDecodeMemory = wire.MaxDecodeSize
	maxChunkMemory  = 8 * wire.ChunkDecodeSize
	freeDecodeSize  = 64 << 10
)

// inflightMemory limits the memory of messages that a Receiver has not processed yet.
type inflightMemory struct{ reads, decodes, chunks *semaphore.Weighted }

func newInflightMemory() *inflightMemory {
	return &inflightMemory{
		reads:   semaphore.NewWeighted(maxReadMemory),
		decodes: semaphore.NewWeighted(maxDecodeMemory),
		chunks:  semaphore.NewWeighted(maxChunkMemory),
	}
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
	switch {
	case size <= freeDecodeSize:
		return nil, nil
	case size <= wire.ChunkDecodeSize:
		return acquire(ctx, m.chunks, size)
	}
	return acquire(ctx, m.decodes, size)
}

func acquire(ctx context.Context, sem *semaphore.Weighted, n int64) (func(), error) {
	if err := sem.Acquire(ctx, n); err != nil {
		return nil, err
	}
	return func() { sem.Release(n) }, nil
}
