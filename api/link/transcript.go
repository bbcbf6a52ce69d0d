package link

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"

	"rollcall.dev/rollcall/api/token"
)

// transcriptDomain starts every transcript.
const transcriptDomain = "rollcall link transcript v1"

// transcript hashes the channel and the messages of one handshake.
type transcript struct{ hash hash.Hash }

// newTranscript returns the transcript of a connection on which no message was sent.
func newTranscript(channel token.Channel) *transcript {
	t := &transcript{sha256.New()}
	t.add([]byte(transcriptDomain))
	t.add([]byte(channel))
	return t
}

// add adds a message.
func (t *transcript) add(message []byte) {
	_, _ = t.hash.Write(binary.BigEndian.AppendUint32(nil, uint32(len(message)))) //nolint:gosec // messages have at most MaxMessage bytes
	_, _ = t.hash.Write(message)
}

// sum returns the hash of what was added until now.
func (t *transcript) sum() []byte { return t.hash.Sum(nil) }
