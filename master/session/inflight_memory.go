package session

import (
	"context"

	"golang.org/x/sync/semaphore"
	"rollcall.dev/rollcall/api/wire"
)

// Memory of messages between their connection and the Receiver that takes them in, in
// bytes, of all agents together. Small ones do not wait for it.
const (
	// maxReading is of messages that are being read, beside freeReading of each connection.
	maxReadMemory = 64 << 20
	freeReadSize  = 64 << 10
	// maxDecoding is of what messages are decoded to, beside freeDecoding of each
	// connection. It has room for two of the largest.
	maxDecodeMemory = 2 * wire.MaxDecodeSize
	freeDecodeSize  = 64 << 10
)

// inflightMemory bounds the memory of messages that were not taken in yet.
type inflightMemory struct{ reads, decodes *semaphore.Weighted }

func newInflightMemory() *inflightMemory {
	return &inflightMemory{reads: semaphore.NewWeighted(maxReadMemory), decodes: semaphore.NewWeighted(maxDecodeMemory)}
}

// acquireRead waits for room to read the rest of a large message, and returns what gives it back.
func (m *inflightMemory) acquireRead(ctx context.Context) (release func(), err error) {
	return acquire(ctx, m.reads, 2*wire.MaxFrame)
}

// acquireDecode waits for room to decode a frame, and returns what gives it back; nil: nothing.
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
