package httpapi

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
)

func eventSource(lastID string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("Accept", "text/event-stream")
		if lastID != "" {
			r.Header.Set("Last-Event-ID", lastID)
		}
	}
}

// parseSSE returns the data and the ids of server-sent events.
func parseSSE(t *testing.T, stream string) (lines string, ids []string) {
	t.Helper()
	for one := range strings.SplitSeq(strings.TrimSuffix(stream, "\n\n"), "\n\n") {
		for field := range strings.SplitSeq(one, "\n") {
			name, value, _ := strings.Cut(field, ": ")
			switch name {
			case "id":
				ids = append(ids, value)
			case "data":
				lines += value + "\n"
			case "", ":":
			default:
				t.Errorf("got field %q, want id, data or a comment", field)
			}
		}
	}
	return lines, ids
}

func TestServerSentEventsAreResumedByID(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		api := f.api(nil)
		w := watching(t, api, eu1+"/nodes?watch=true", eventSource(""))
		if w.header.Get("Content-Type") != "text/event-stream" || w.header.Get("X-Accel-Buffering") != "no" || w.header.Get("Cache-Control") != "private, no-cache" {
			t.Errorf("got headers %v, want those of an unbuffered event stream", w.header)
		}
		lines, ids := parseSSE(t, w.text())
		if got := strings.Join(briefs(decodeEvents(t, lines)), ", "); got != "ADDED Node n1, ADDED Session Reporting, BOOKMARK initial-events-end" {
			t.Errorf("got events %s, want the initial ones", got)
		}
		if got := strings.Join(ids, " "); got != "0 0 17.9f2c-4" {
			t.Errorf("got ids %s, want the initial version for the initial events", got)
		}
		w.cancel()
		f.report(t, "prod-eu", nil, node("n2", state.True))
		again := watching(t, api, eu1+"/nodes?watch=true&resourceVersion=0", eventSource(ids[2]))
		lines, ids = parseSSE(t, again.text())
		if got := strings.Join(briefs(decodeEvents(t, lines)), ", "); !strings.HasPrefix(got, "ADDED Node n2, BOOKMARK") || ids[0] != "17.9f2c-5" {
			t.Errorf("after resuming: got events %s with ids %v, want n2 and a BOOKMARK", got, ids)
		}
	})
}

func TestEventSourceWithExpiredVersionStartsAgain(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		w := watching(t, f.api(nil), eu1+"?watch=true", eventSource("17.dead-1"))
		stream := w.text()
		if w.status != 200 || !strings.HasPrefix(stream, "id: \ndata: ") || !strings.Contains(stream, `"code":410`) || !w.ended() {
			t.Errorf("got %d %q, want an ERROR 410 with an empty id and the end of the stream", w.status, stream)
		}
		if w := watching(t, f.api(nil), eu1+"?watch=true", eventSource("garbage")); w.status != 400 {
			t.Errorf("invalid id: got %d, want 400", w.status)
		}
	})
}

func TestAcceptSelectsServerSentEvents(t *testing.T) {
	for accept, want := range map[string]bool{
		"text/event-stream": true, "Text/Event-Stream": true, "text/event-stream, */*;q=0.1": true, "text/event-stream, application/json": true,
		"text/event-stream;q=0": false, "application/json, text/event-stream;q=0.1": false, "*/*": false, "text/event-streams": false, "": false,
	} {
		bubble(t, func(t *testing.T, f *fake) {
			w := watching(t, f.api(nil), eu1+"/nodes?watch=true", func(r *http.Request) { r.Header.Set("Accept", accept) })
			if got := w.header.Get("Content-Type"); (got == "text/event-stream") != want {
				t.Errorf("Accept %q: got content type %s, want an event stream: %t", accept, got, want)
			}
		})
	}
}

func TestHeartbeatsAreComments(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		w := watching(t, f.api(nil), eu1+"/nodes?watch=true", eventSource(""))
		<-time.After(2 * time.Second) // of virtual time
		w.text()
		<-time.After(11 * time.Second)
		w.text() // it turned stale
		<-time.After(heartbeatInterval)
		if got := w.text(); got != ":\n\n" {
			t.Errorf("got %q, want a comment", got)
		}
	})
}
