package membership

import (
	"encoding/binary"
	"encoding/json"
	"iter"
	"time"
)

// Kinds of messages.
const (
	kindHeartbeat = 'h'
	kindLinks     = 'l'
	kindHandOvers = 'o'
	kindWants     = 'w'
)

const (
	// maxKnown limits the incarnations in a heartbeat, and so the masters that see each other without Leases.
	maxKnown = 64
	// maxNameLen and maxIncarnationLen limit the length of names, and of incarnations.
	maxNameLen        = 253
	maxIncarnationLen = 64
	// A message has at most linksPerPart links. maxLinks is the limit of all parts.
	linksPerPart = 8000
	maxParts     = 8
	maxLinks     = maxParts * linksPerPart
	// maxWants limits the wants that wait to be sent, wantsPerPart those in a message.
	maxWants     = 10_000
	wantsPerPart = 200
	// maxWant limits the time in a want.
	maxWant = time.Hour
)

// heartbeat says that its sender is alive.
type heartbeat struct {
	Name     string `json:"name"`
	Draining bool   `json:"draining,omitempty"`
	// Known has the incarnations that the sender has heard of. A receiver that finds its own knows that the heartbeat
	// was sent after it started.
	Known []string `json:"known,omitempty"`
}

func (h heartbeat) encode() []byte {
	b, err := json.Marshal(h)
	if err != nil {
		panic(err) // strings and a bool can be encoded
	}
	return b
}

func decodeHeartbeat(b []byte) (h heartbeat, ok bool) {
	if len(b) > 2*maxNameLen+maxKnown*(maxIncarnationLen+4)+64 || json.Unmarshal(b, &h) != nil {
		return h, false
	}
	for _, k := range h.Known {
		if len(k) > maxIncarnationLen {
			return h, false
		}
	}
	return h, h.Name != "" && len(h.Name) <= maxNameLen && len(h.Known) <= maxKnown
}

// linksPart is a part of the links of a master: all parts of a version together are all links.
type linksPart struct {
	version, number, parts uint64
	links                  []uint64
}

func encodeLinks(version uint64, links []uint64) (messages [][]byte) {
	parts := max(1, (len(links)+linksPerPart-1)/linksPerPart)
	for number := range parts {
		part := links[number*linksPerPart : min(len(links), (number+1)*linksPerPart)]
		b := make([]byte, 0, 24+8*len(part))
		for _, n := range []uint64{version, uint64(number), uint64(parts)} {
			b = binary.BigEndian.AppendUint64(b, n)
		}
		for _, l := range part {
			b = binary.BigEndian.AppendUint64(b, l)
		}
		messages = append(messages, b)
	}
	return messages
}

func decodeLinks(b []byte) (p linksPart, ok bool) {
	if len(b) < 24 || len(b)%8 != 0 || len(b) > 24+8*linksPerPart {
		return p, false
	}
	p.version, p.number, p.parts = binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[16:])
	if p.parts > maxParts || p.number >= p.parts {
		return p, false
	}
	for b = b[24:]; len(b) > 0; b = b[8:] {
		p.links = append(p.links, binary.BigEndian.Uint64(b))
	}
	return p, true
}

// handOvers has the clusters that a master has handed over, and for how long.
type handOvers struct {
	version uint64
	left    map[uint64]time.Duration
}

func encodeHandOvers(version uint64, until map[uint64]time.Time, now time.Time) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 8+12*len(until)), version)
	for cluster, t := range until {
		if left := t.Sub(now); left > 0 {
			b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(b, cluster), uint32(left.Milliseconds())) //nolint:gosec // at most handOverTime
		}
	}
	return b
}

func decodeHandOvers(b []byte) (h handOvers, ok bool) {
	if len(b) < 8 || (len(b)-8)%12 != 0 || len(b) > 8+12*maxHandedOver {
		return h, false
	}
	h = handOvers{version: binary.BigEndian.Uint64(b), left: map[uint64]time.Duration{}}
	for b = b[8:]; len(b) > 0; b = b[12:] {
		left := time.Duration(binary.BigEndian.Uint32(b[8:])) * time.Millisecond
		h.left[binary.BigEndian.Uint64(b)] = min(left, handOverTime)
	}
	return h, true
}

// want is demand for a cluster.
type want struct {
	Cluster string `json:"cluster"`
	Millis  int64  `json:"ms"`
}

func encodeWants(wants map[string]time.Duration) (messages [][]byte) {
	var part []want
	flush := func() {
		b, err := json.Marshal(part)
		if err != nil {
			panic(err) // strings and numbers can be encoded
		}
		messages, part = append(messages, b), nil
	}
	for cluster, d := range wants {
		if part = append(part, want{cluster, d.Milliseconds()}); len(part) == wantsPerPart {
			flush()
		}
	}
	if len(part) > 0 {
		flush()
	}
	return messages
}

func decodeWants(b []byte) iter.Seq2[string, time.Duration] {
	return func(yield func(string, time.Duration) bool) {
		var wants []want
		if json.Unmarshal(b, &wants) != nil {
			return
		}
		for _, w := range wants[:min(len(wants), wantsPerPart)] {
			valid := w.Cluster != "" && len(w.Cluster) <= maxNameLen && w.Millis > 0
			if valid && !yield(w.Cluster, time.Duration(min(w.Millis, maxWant.Milliseconds()))*time.Millisecond) {
				return
			}
		}
	}
}
