package wire

import (
	"encoding/binary"
	"hash/crc32"
)

// checksumSize is the size of the checksum after each frame, in bytes.
const checksumSize = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Checksum is the running CRC-32C of one direction of a connection. Each message ends with four
// bytes, little endian: the CRC-32C of all frames sent in that direction so far, including its
// own. A lost, repeated, reordered or corrupted message makes the next verification fail. It does
// not protect against an attacker; TLS does. The zero value is for the start of a connection.
type Checksum struct{ sum uint32 }

// Append returns a copy of frame followed by its checksum, ready to be sent. It copies because
// sessions share frames.
func (s *Checksum) Append(frame []byte) []byte {
	s.add(frame)
	message := append(make([]byte, 0, len(frame)+checksumSize), frame...)
	return binary.LittleEndian.AppendUint32(message, s.sum)
}

func (s *Checksum) add(frame []byte) {
	var size [4]byte
	binary.LittleEndian.PutUint32(size[:], uint32(len(frame)))
	s.sum = crc32.Update(crc32.Update(s.sum, castagnoli, size[:]), castagnoli, frame)
}

// Verify checks the checksum at the end of a received message and returns the frame before it. The
// error wraps ErrResync; the connection cannot be used afterwards.
func (s *Checksum) Verify(message []byte) ([]byte, error) {
	n := len(message) - checksumSize
	if n < 0 {
		return nil, resync("message of %d bytes has no checksum", len(message))
	}
	frame := message[:n:n]
	s.add(frame)
	if sum := binary.LittleEndian.Uint32(message[n:]); sum != s.sum {
		return nil, resync("checksum is %08x, want %08x: a message was lost, repeated, reordered or corrupted", sum, s.sum)
	}
	return frame, nil
}
