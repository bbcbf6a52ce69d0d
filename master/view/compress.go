package view

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Encoding is how an answer's bytes are packed.
type Encoding uint8

const (
	// Identity is not at all.
	Identity Encoding = iota
	Gzip
	Zstd
	numEncodings
)

var encodingNames = [numEncodings]string{"identity", "gzip", "zstd"}

// String is the encoding's name in HTTP.
func (e Encoding) String() string { return encodingNames[e] }

// minPacked is from what size on packing is worth it.
const minPacked = 1 << 10

// packer packs bodies. It keeps encoders for who comes next, as they are large.
type packer struct {
	gzips, zstds sync.Pool
}

// pack is the body in an encoding. Small bodies stay as they are, whatever is asked.
func (p *packer) pack(b Body, e Encoding) (Body, Encoding, error) {
	if e == Identity || b.Len() < minPacked {
		return b, Identity, nil
	}
	var packed bytes.Buffer
	packed.Grow(b.Len() / 16) // names and digests repeat themselves
	w, done, err := p.writer(&packed, e)
	if err != nil {
		return nil, e, err
	}
	defer done()
	if _, err := b.WriteTo(w); err != nil {
		return nil, e, fmt.Errorf("%s an answer: %w", e, err)
	}
	if err := w.Close(); err != nil {
		return nil, e, fmt.Errorf("%s an answer: %w", e, err)
	}
	return Body{bytes.Clone(packed.Bytes())}, e, nil
}

func (p *packer) writer(to io.Writer, e Encoding) (w io.WriteCloser, done func(), err error) {
	if e == Gzip {
		w, _ := p.gzips.Get().(*gzip.Writer)
		if w == nil {
			w, err = gzip.NewWriterLevel(to, gzip.BestSpeed)
		} else {
			w.Reset(to)
		}
		return w, func() { p.gzips.Put(w) }, err
	}
	z, _ := p.zstds.Get().(*zstd.Encoder)
	if z == nil {
		z, err = zstd.NewWriter(to, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithWindowSize(1<<20))
	} else {
		z.Reset(to)
	}
	return z, func() { p.zstds.Put(z) }, err
}
