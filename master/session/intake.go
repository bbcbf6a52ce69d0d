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
	maxReading  = 64 << 20
	freeReading = 64 << 10
	// maxDecoding is of what messages are decoded to, beside freeDecoding of each
	// connection. It has room for two of the largest.
	maxDecoding  = 2 * wire.MaxDecodeSize
	freeDecoding = 64 << 10
)

// intake bounds the memory of messages that were not taken in yet.
type intake struct{ reading, decoding *semaphore.Weighted }

func newIntake() *intake {
	return &intake{reading: semaphore.NewWeighted(maxReading), decoding: semaphore.NewWeighted(maxDecoding)}
}

// read waits for room to read the rest of a large message, and returns what gives it back.
func (i *intake) read(ctx context.Context) (done func(), err error) {
	return take(ctx, i.reading, 2*wire.MaxFrame)
}

// decode waits for room to decode a frame, and returns what gives it back; nil: nothing.
func (i *intake) decode(ctx context.Context, frame []byte) (done func(), err error) {
	size := wire.DecodeSize(frame)
	if size <= freeDecoding {
		return nil, nil
	}
	return take(ctx, i.decoding, size)
}

func take(ctx context.Context, from *semaphore.Weighted, n int64) (func(), error) {
	if err := from.Acquire(ctx, n); err != nil {
		return nil, err
	}
	return func() { from.Release(n) }, nil
}
