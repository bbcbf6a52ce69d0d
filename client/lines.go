package client

import (
	"bufio"
	"errors"
	"io"
)

// lineReader reads lines of limited length. A last line without a newline results in
// io.ErrUnexpectedEOF.
type lineReader struct {
	reader *bufio.Reader
	limit  int
	line   []byte
}

func newLineReader(r io.Reader, limit int) *lineReader {
	return &lineReader{reader: bufio.NewReaderSize(r, 16<<10), limit: limit}
}

// next returns the next line without its newline. It is valid until the next call. io.EOF
// means that the stream ended after a complete line.
func (l *lineReader) next() ([]byte, error) {
	l.line = l.line[:0]
	for {
		chunk, err := l.reader.ReadSlice('\n')
		if len(l.line)+len(chunk) > l.limit {
			return nil, ErrTooLarge
		}
		switch {
		case err == nil && len(l.line) == 0:
			return chunk[:len(chunk)-1], nil
		case err == nil:
			l.line = append(l.line, chunk...)
			return l.line[:len(l.line)-1], nil
		case errors.Is(err, io.EOF) && len(l.line)+len(chunk) > 0:
			return nil, io.ErrUnexpectedEOF
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
		l.line = append(l.line, chunk...)
	}
}

// shrink frees the buffer if it is larger than limit.
func (l *lineReader) shrink(limit int) {
	if cap(l.line) > limit {
		l.line = nil
	}
}
