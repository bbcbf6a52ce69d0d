package wire

import (
	"encoding/binary"
	"hash/crc32"
)

// sealSize is what a seal takes of each message on a connection.
const sealSize = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Seal is one direction of a connection: each message ends in the CRC-32C, in four
// bytes, little endian, of all frames that this side has sent on the connection so far,
// this one's included. A message that was lost, doubled, moved or harmed breaks the seal
// of the next one that comes, whatever it says. It is no defence against an attacker:
// that is TLS. The zero value is a connection on which nothing was sent.
type Seal struct{ sum uint32 }

// Close is a frame as it goes onto the connection. Frames are shared by sessions, so it
// is a copy.
func (s *Seal) Close(frame []byte) []byte {
	s.add(frame)
	message := append(make([]byte, 0, len(frame)+sealSize), frame...)
	return binary.LittleEndian.AppendUint32(message, s.sum)
}

func (s *Seal) add(frame []byte) {
	var size [4]byte
	binary.LittleEndian.PutUint32(size[:], uint32(len(frame)))
	s.sum = crc32.Update(crc32.Update(s.sum, castagnoli, size[:]), castagnoli, frame)
}

// Open is the frame in a message that came. An error is an ErrResync, and for good.
func (s *Seal) Open(message []byte) ([]byte, error) {
	n := len(message) - sealSize
	if n < 0 {
		return nil, resync("a message of %d bytes has no seal", len(message))
	}
	frame := message[:n:n]
	s.add(frame)
	if seal := binary.LittleEndian.Uint32(message[n:]); seal != s.sum {
		return nil, resync("the seal is %08x, want %08x: something was lost, doubled, moved or harmed on the way", seal, s.sum)
	}
	return frame, nil
}
