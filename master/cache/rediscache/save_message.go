package rediscache

import (
	"encoding/binary"
	"strconv"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// A message on the channel of saves is written by the save script, and has what it has saved, with the record if that is
// small. It is a list of strings, each with its length before it in 4 bytes, big-endian: the cluster, the ID of the
// master, the MAC of the record before this one ("" for a base), the record ("" if there is none, or if it is large; if a
// base was written although its changes are known, these), the milliseconds until Redis removes the entry, and the values
// of headFields in their order. The MAC of the head covers all of it but the ID of the master and the remaining time; the
// times in the head limit the latter.

// maxSaveMessage limits the length of a message in bytes. A record of the maximal length that the script announces
// fits, with a head whose texts have theirs.
const maxSaveMessage = 64 << 10

// saveMessage is the content of a message.
type saveMessage struct {
	cluster, sender string
	// previous is empty for a base. record is empty if it has to be loaded, or if only times have changed.
	previous, record []byte
	left             time.Duration
	head             head
}

// parseSaveMessage parses a message, and verifies nothing else. The error is a refusal.
func parseSaveMessage(b []byte) (m saveMessage, err error) {
	if len(b) > maxSaveMessage {
		return m, refused(causeSize, "a message has %d bytes; the limit is %d", len(b), maxSaveMessage)
	}
	const numParts = 5
	parts := make([][]byte, 0, numParts+len(headFields))
	for len(b) > 0 {
		const sizeLen = 4
		if len(b) < sizeLen || len(parts) == cap(parts) {
			return m, refused(causeFormat, "a message has another format")
		}
		size := binary.BigEndian.Uint32(b)
		if b = b[sizeLen:]; int64(size) > int64(len(b)) {
			return m, refused(causeFormat, "a message is cut short")
		}
		parts, b = append(parts, b[:size]), b[size:]
	}
	if len(parts) != cap(parts) {
		return m, refused(causeFormat, "a message has %d parts, and not %d", len(parts), cap(parts))
	}
	left, err := strconv.ParseInt(string(parts[4]), 10, 32)
	if err != nil {
		return m, refused(causeFormat, "the remaining time in a message is not a number")
	}
	if len(parts[1]) > maxSenderLen {
		return m, refused(causeSize, "the ID of the master in a message has %d bytes; the limit is %d", len(parts[1]), maxSenderLen)
	}
	m = saveMessage{
		cluster: string(parts[0]), sender: state.CleanText(string(parts[1])), previous: parts[2], record: parts[3],
		left: time.Duration(left) * time.Millisecond, head: head{},
	}
	for i, field := range headFields {
		m.head[field] = string(parts[numParts+i])
	}
	return m, nil
}
