package view

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Encoding is a content encoding of HTTP.
type Encoding uint8

const (
	// Identity is no compression.
	Identity Encoding = iota
	Gzip
	Zstd
	numEncodings
)

var encodingNames = [numEncodings]string{"identity", "gzip", "zstd"}

// String returns the name of the encoding in HTTP headers.
func (e Encoding) String() string { return encodingNames[e] }

// minCompressBytes is the size from which compression is worthwhile.
const minCompressBytes = 1 << 10

// compressor compresses bodies. It pools encoders, which are large.
type compressor struct {
	gzips, zstds sync.Pool
}

// compress returns the body in an encoding, and the encoding used: small bodies are not compressed.
func (c *compressor) compress(b Body, e Encoding) (Body, Encoding, error) {
	if e == Identity || b.Len() < minCompressBytes {
		return b, Identity, nil
	}
	var packed bytes.Buffer
	packed.Grow(b.Len() / 16) // a typical ratio: names and digests repeat
	w, done, err := c.writer(&packed, e)
	if err != nil {
		return nil, e, err
	}
	defer done()
	if _, err := b.WriteTo(w); err != nil {
		return nil, e, fmt.Errorf("%s-encode a response: %w", e, err)
	}
	if err := w.Close(); err != nil {
		return nil, e, fmt.Errorf("%s-encode a response: %w", e, err)
	}
	return Body{bytes.Clone(packed.Bytes())}, e, nil
}

// writer returns a pooled encoder that writes to the given writer. done returns it to the pool.
func (c *compressor) writer(to io.Writer, e Encoding) (w io.WriteCloser, done func(), err error) {
	if e == Gzip {
		w, _ := c.gzips.Get().(*gzip.Writer)
		if w == nil {
			w, err = gzip.NewWriterLevel(to, gzip.BestSpeed)
		} else {
			w.Reset(to)
		}
		return w, func() { c.gzips.Put(w) }, err
	}
	z, _ := c.zstds.Get().(*zstd.Encoder)
	if z == nil {
		z, err = zstd.NewWriter(to, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithWindowSize(1<<20))
	} else {
		z.Reset(to)
	}
	return z, func() { c.zstds.Put(z) }, err
}
