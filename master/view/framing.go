package view

import (
	"bytes"
	"strconv"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
)

// Framing is how events are separated in a stream.
type Framing uint8

const (
	// JSONLines has one event per line.
	JSONLines Framing = iota
	// SSE is a stream of server-sent events, as EventSource reads it.
	SSE
	// JSONLinesWithCluster and SSEWithCluster add the cluster's name to each event. They have no event
	// ids, because the version of one cluster is not a version of the list of clusters.
	JSONLinesWithCluster
	SSEWithCluster
	numFramings
)

// event is one event without its version.
type event struct {
	eventType  httpv1.EventType
	objectKind httpv1.Kind
	object     []byte
}

// encodeEvents returns the events of one change as lines. All but the last event carry the version
// before the change.
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
	line = append(append(line, `{"type":"`...), e.eventType...)
	if e.objectKind != "" {
		line = append(append(line, `","kind":"`...), e.objectKind...)
	}
	line = append(append(line, `","resourceVersion":"`...), version...)
	line = append(append(line, `","object":`...), e.object...)
	return append(line, '}', '\n')
}

// frame puts lines into another framing. The ids of all lines but the last are the version from.
func frame(lines []byte, f Framing, cluster, from, to string) []byte {
	if f == JSONLines {
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
	if f == SSE {
		b.WriteString("id: " + id + "\n")
	}
	if f == SSE || f == SSEWithCluster {
		b.WriteString("data: ")
	}
	if f == JSONLinesWithCluster || f == SSEWithCluster {
		b.WriteString(`{"cluster":` + strconv.Quote(cluster) + ",")
		line = line[1:]
	}
	b.Write(line)
	b.WriteByte('\n')
	if f == SSE || f == SSEWithCluster {
		b.WriteByte('\n')
	}
}

// Frame puts a line without a version, such as an error, into a framing. Its event id is empty, so
// that an EventSource reconnects without a version.
func Frame(line []byte, f Framing, cluster string) []byte {
	return frame(line, f, cluster, "", "")
}
