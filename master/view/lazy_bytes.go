package view

import (
	"sync"
	"sync/atomic"
)

// lazyBytes are bytes that the first reader encodes, and that all readers share. The zero value has not been encoded yet.
type lazyBytes struct {
	once sync.Once
	// size is 0 until the bytes exist. It can be read without blocking.
	size atomic.Int64

	bytes []byte
	err   error
}

// get returns the bytes. The first call encodes them.
func (b *lazyBytes) get(encode func() ([]byte, error)) ([]byte, error) {
	b.once.Do(func() {
		b.bytes, b.err = encode()
		b.size.Store(int64(len(b.bytes)))
	})
	return b.bytes, b.err
}
