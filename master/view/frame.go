package view

import (
	"bytes"
	"strconv"
)

// Types of events.
const (
	added    = "ADDED"
	modified = "MODIFIED"
	deleted  = "DELETED"
)

// Beginning is the version that stands for none: to resume from it is to begin anew.
const Beginning = "0"

// Framing is how events become bytes.
type Framing uint8

const (
	// Lines has an event a line.
	Lines Framing = iota
	// ServerSent is the stream of events that browsers know as EventSource.
	ServerSent
	// FleetLines and FleetServerSent tell whose event it is, and have no ids: versions
	// of one cluster are none of the fleet's.
	FleetLines
	FleetServerSent
	numFramings
)

// event is one event before it has a version.
type event struct {
	kind, is string
	object   []byte
}

// encodeEvents writes the events of one change as lines: all but the last carry the
// version before it.
func encodeEvents(events []event, from, to string) []byte {
	size := 0
	for _, e := range events {
		size += len(e.object) + len(to) + 72
	}
	lines := make([]byte, 0, size)
	for i, e := range events {
		version := from
		if i == len(events)-1 {
			version = to
		}
		lines = appendEvent(lines, e, version)
	}
	return lines
}

func appendEvent(line []byte, e event, version string) []byte {
	line = append(append(line, `{"type":"`...), e.kind...)
	if e.is != "" {
		line = append(append(line, `","kind":"`...), e.is...)
	}
	line = append(append(line, `","resourceVersion":"`...), version...)
	line = append(append(line, `","object":`...), e.object...)
	return append(line, '}', '\n')
}

// frame puts lines into another framing. All lines but the last carry the version from.
func frame(lines []byte, f Framing, cluster, from, to string) []byte {
	if f == Lines {
		return lines
	}
	var framed bytes.Buffer
	framed.Grow(len(lines) + bytes.Count(lines, newline)*(len(to)+len(cluster)+24))
	for len(lines) > 0 {
		line, rest, _ := bytes.Cut(lines, newline)
		id := from
		if len(rest) == 0 {
			id = to
		}
		f.append(&framed, line, cluster, id)
		lines = rest
	}
	return framed.Bytes()
}

var newline = []byte("\n")

func (f Framing) append(b *bytes.Buffer, line []byte, cluster, id string) {
	if f == ServerSent {
		b.WriteString("id: " + id + "\n")
	}
	if f == ServerSent || f == FleetServerSent {
		b.WriteString("data: ")
	}
	if f == FleetLines || f == FleetServerSent {
		b.WriteString(`{"cluster":` + strconv.Quote(cluster) + ",")
		line = line[1:]
	}
	b.Write(line)
	b.WriteByte('\n')
	if f == ServerSent || f == FleetServerSent {
		b.WriteByte('\n')
	}
}

// Frame is a line of no version, such as an error, in a framing. Its id is empty,
// which has EventSource begin anew when it comes again.
func Frame(line []byte, f Framing, cluster string) []byte {
	return frame(line, f, cluster, "", "")
}
