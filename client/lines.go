package client

import (
	"bufio"
	"errors"
	"io"
)

// lines reads lines of bounded length. What is not ended by a newline was cut, and is
// no line.
type lines struct {
	reader *bufio.Reader
	most   int
	line   []byte
}

func newLines(r io.Reader, most int) *lines {
	return &lines{reader: bufio.NewReaderSize(r, 16<<10), most: most}
}

// next is the next line, without its newline; it is valid until the next call. io.EOF
// is an end in good order.
func (l *lines) next() ([]byte, error) {
	l.line = l.line[:0]
	for {
		piece, err := l.reader.ReadSlice('\n')
		if len(l.line)+len(piece) > l.most {
			return nil, ErrTooLarge
		}
		switch {
		case err == nil && len(l.line) == 0:
			return piece[:len(piece)-1], nil
		case err == nil:
			l.line = append(l.line, piece...)
			return l.line[:len(l.line)-1], nil
		case errors.Is(err, io.EOF) && len(l.line)+len(piece) > 0:
			return nil, io.ErrUnexpectedEOF
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
		l.line = append(l.line, piece...)
	}
}

// keep lets go of the room that one long line took.
func (l *lines) keep(most int) {
	if cap(l.line) > most {
		l.line = nil
	}
}
