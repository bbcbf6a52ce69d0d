package rediscache

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"time"
)

const (
	// maxPayload limits the payload of a message to other masters.
	maxPayload = 64 << 10
	// maxSenderLen limits the ID of a master.
	maxSenderLen = 64
	// maxSenders limits the masters whose counters a receiver remembers. Each process has an ID of its own, so that
	// there are more than this only after as many restarts.
	maxSenders = 1024
	// maxDelay is how much longer than others a message of the same sender may take.
	maxDelay = 10 * time.Second
	// maxLate is how long all messages of a sender are refused as delayed. After that, its clock must have stopped for a
	// while, as in a suspended machine, and is believed again.
	maxLate = 30 * time.Second
)

// message is what a master sends to the other masters: a MAC, then counter, time, kind, ID of the key, sender, payload.
type message struct {
	// counter counts the messages of the sender, from 1.
	counter uint64
	// sent is the time since the sender started, by its monotonic clock.
	sent    time.Duration
	kind    byte
	sender  string
	payload []byte
}

// messagePrefixLen is the length of the MAC, counter, time and kind.
const messagePrefixLen = sha256.Size + 8 + 8 + 1

// encodeMessage returns the signed message. The caller limits the lengths of sender and payload.
func (k macKey) encodeMessage(m message) []byte {
	b := make([]byte, sha256.Size, messagePrefixLen+1+len(k.id)+1+len(m.sender)+len(m.payload))
	b = binary.BigEndian.AppendUint64(b, m.counter)
	b = binary.BigEndian.AppendUint64(b, uint64(m.sent.Milliseconds()))
	b = append(b, m.kind)
	for _, text := range []string{k.id, m.sender} {
		b = append(append(b, byte(len(text))), text...)
	}
	b = append(b, m.payload...)
	copy(b, k.mac([]byte(kindMessage), b[sha256.Size:]))
	return b
}

// decodeMessage verifies and decodes a message. Its payload refers to b. The error is a refusal.
func (ring keyring) decodeMessage(b []byte) (message, error) {
	if len(b) > messagePrefixLen+2+2*sha256.Size+maxSenderLen+maxPayload {
		return message{}, refused(causeSize, "a message of %d bytes is too large", len(b))
	}
	if len(b) < messagePrefixLen {
		return message{}, refused(causeFormat, "a message is cut short")
	}
	keyID, rest, ok := cutText(b[messagePrefixLen:])
	sender, payload, ok2 := cutText(rest)
	if !ok || !ok2 || sender == "" || len(sender) > maxSenderLen {
		return message{}, refused(causeFormat, "a message has no valid sender")
	}
	key, ok := ring.accepted[keyID]
	if !ok {
		return message{}, refused(causeKey, "a message is signed with an unknown key")
	}
	if !hmac.Equal(b[:sha256.Size], key.mac([]byte(kindMessage), b[sha256.Size:])) {
		return message{}, refused(causeMAC, "the MAC of a message is wrong: the message was changed or forged")
	}
	if len(payload) > maxPayload {
		return message{}, refused(causeSize, "a payload of %d bytes is too large", len(payload))
	}
	sent := binary.BigEndian.Uint64(b[sha256.Size+8:])
	if sent > uint64(maxUptime.Milliseconds()) {
		return message{}, refused(causeTime, "the time of a message is impossible")
	}
	return message{
		counter: binary.BigEndian.Uint64(b[sha256.Size:]), sent: time.Duration(sent) * time.Millisecond, kind: b[messagePrefixLen-1],
		sender: sender, payload: payload,
	}, nil
}

// maxUptime limits the time since a sender started, so that times can be subtracted without overflow.
const maxUptime = 100 * 365 * 24 * time.Hour

// cutText returns the text at the start of b, which has its length in the first byte, and the rest.
func cutText(b []byte) (text string, rest []byte, ok bool) {
	if len(b) == 0 || len(b) < 1+int(b[0]) {
		return "", nil, false
	}
	end := 1 + int(b[0])
	return string(b[1:end]), b[end:], true
}

// replayGuard refuses messages that were received before, or that are older than others of their sender. It compares
// no wall clocks. It is used by one goroutine.
type replayGuard struct {
	senders map[string]*senderState
}

// windowSize is the number of a sender's latest counters of which each is accepted once. Messages can overtake each
// other, as a master sends them on several connections.
const windowSize = 1024

// senderState describes the messages received from a sender.
type senderState struct {
	// last is the highest counter received. The bit of counter%windowSize is set if it was received.
	last uint64
	seen [windowSize / 64]uint64
	// offset is the largest difference between the sender's time of a message and the receiver's.
	offset time.Duration
	// lateSince is when the first of only late messages was received, by the receiver's time.
	lateSince time.Duration
	late      bool
	// received is when the last message was received.
	received time.Duration
}

// check returns a refusal if the message must not be handled. now is the receiver's time since its start.
func (g *replayGuard) check(m message, now time.Duration) error {
	s := g.senders[m.sender]
	if s == nil {
		g.forgetOldest()
		s = &senderState{offset: m.sent - now}
		g.senders[m.sender] = s
	}
	if !s.count(m.counter) {
		return refused(causeReplayed, "a message of %s was received before", m.sender)
	}
	s.received = now
	offset := m.sent - now
	switch {
	case offset >= s.offset-maxDelay:
		s.offset, s.late = max(s.offset, offset), false
	case !s.late:
		s.lateSince, s.late = now, true
	case now-s.lateSince > maxLate:
		s.offset, s.late = offset, false
	}
	if s.late {
		return refused(causeTime, "a message of %s arrives %s later than others", m.sender, (s.offset - offset).Round(time.Second))
	}
	return nil
}

// count records a counter. It returns false if the counter was recorded before, or is so low that it could have been.
func (s *senderState) count(n uint64) bool {
	if n == 0 || s.last >= windowSize && n <= s.last-windowSize {
		return false
	}
	if n > s.last {
		if n-s.last >= windowSize {
			clear(s.seen[:])
		} else {
			for i := s.last + 1; i < n; i++ {
				s.seen[i%windowSize/64] &^= 1 << (i % 64)
			}
		}
		s.last = n
	} else if s.seen[n%windowSize/64]&(1<<(n%64)) != 0 {
		return false
	}
	s.seen[n%windowSize/64] |= 1 << (n % 64)
	return true
}

// forgetOldest makes room for another sender.
func (g *replayGuard) forgetOldest() {
	if g.senders == nil {
		g.senders = map[string]*senderState{}
	}
	if len(g.senders) < maxSenders {
		return
	}
	oldest := ""
	for id, s := range g.senders {
		if oldest == "" || s.received < g.senders[oldest].received {
			oldest = id
		}
	}
	delete(g.senders, oldest)
}
