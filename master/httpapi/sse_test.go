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

// sent are the data and the ids of Server-Sent Events.
func sent(t *testing.T, stream string) (lines string, ids []string) {
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
				t.Errorf("a field %q", field)
			}
		}
	}
	return lines, ids
}

func TestServerSentEventsAreResumedByTheirIDs(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		api := f.api(nil)
		w := watching(t, api, eu1+"/nodes?watch=true", eventSource(""))
		if w.header.Get("Content-Type") != "text/event-stream" || w.header.Get("X-Accel-Buffering") != "no" || w.header.Get("Cache-Control") != "private, no-cache" {
			t.Errorf("headers %v", w.header)
		}
		lines, ids := sent(t, w.text())
		if got := strings.Join(briefs(happenings(t, lines)), ", "); got != "ADDED Node n1, ADDED Session Reporting, BOOKMARK initial-events-end" {
			t.Errorf("began with %s", got)
		}
		if got := strings.Join(ids, " "); got != "0 0 17.9f2c-4" {
			t.Errorf("ids %s; want that who breaks off in the initial state begins again", got)
		}
		w.cancel()
		f.report(t, "prod-eu", nil, node("n2", state.True))
		again := watching(t, api, eu1+"/nodes?watch=true&resourceVersion=0", eventSource(ids[2]))
		lines, ids = sent(t, again.text())
		if got := strings.Join(briefs(happenings(t, lines)), ", "); !strings.HasPrefix(got, "ADDED Node n2, BOOKMARK") || ids[0] != "17.9f2c-5" {
			t.Errorf("resumed with %s, ids %v", got, ids)
		}
	})
}

func TestAnEventSourceThatCannotBeResumedBeginsAnewNextTime(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		w := watching(t, f.api(nil), eu1+"?watch=true", eventSource("17.dead-1"))
		stream := w.text()
		if w.status != 200 || !strings.HasPrefix(stream, "id: \ndata: ") || !strings.Contains(stream, `"code":410`) || !w.ended() {
			t.Errorf("%d %q; want an ERROR 410 with an empty id, and the end", w.status, stream)
		}
		if w := watching(t, f.api(nil), eu1+"?watch=true", eventSource("garbage")); w.status != 400 {
			t.Errorf("an id that is none: %d, want 400", w.status)
		}
	})
}

func TestServerSentEventsComeToWhoLikesThemBest(t *testing.T) {
	for accept, want := range map[string]bool{
		"text/event-stream": true, "Text/Event-Stream": true, "text/event-stream, */*;q=0.1": true, "text/event-stream, application/json": true,
		"text/event-stream;q=0": false, "application/json, text/event-stream;q=0.1": false, "*/*": false, "text/event-streams": false, "": false,
	} {
		bubble(t, func(t *testing.T, f *fake) {
			w := watching(t, f.api(nil), eu1+"/nodes?watch=true", func(r *http.Request) { r.Header.Set("Accept", accept) })
			if got := w.header.Get("Content-Type"); (got == "text/event-stream") != want {
				t.Errorf("Accept %q: %s", accept, got)
			}
		})
	}
}

func TestSilenceIsFilledWithHeartbeats(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		w := watching(t, f.api(nil), eu1+"/nodes?watch=true", eventSource(""))
		<-time.After(2 * time.Second) // of virtual time
		w.text()
		<-time.After(11 * time.Second)
		w.text() // it turned stale
		<-time.After(heartbeat)
		if got := w.text(); got != ":\n\n" {
			t.Errorf("%q, want a comment", got)
		}
	})
}
