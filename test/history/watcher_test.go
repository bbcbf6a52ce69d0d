package history_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/test/history"
)

// watcher records the events of a watch. It is an http.ResponseWriter.
type watcher struct {
	t       *testing.T
	stream  *history.Stream
	version string
	// last is the last version that the reader has had.
	last string
	// objects are the known pods by key.
	objects map[string]string
	// refused is true if the response is not a stream.
	refused bool
}

// Header returns an empty header.
func (w *watcher) Header() http.Header { return http.Header{} }

// WriteHeader records whether the request was refused.
func (w *watcher) WriteHeader(status int) { w.refused = status != http.StatusOK }

// FlushError does nothing. Streams require it.
func (w *watcher) FlushError() error { return nil }

// SetWriteDeadline does nothing. Streams require it.
func (w *watcher) SetWriteDeadline(time.Time) error { return nil }

// Write records the events in b, which are whole lines.
func (w *watcher) Write(b []byte) (int, error) {
	if w.refused {
		w.version = "" // the version is too old
		return len(b), nil
	}
	for line := range bytes.Lines(b) {
		var e struct {
			Type, Kind, ResourceVersion string
			Object                      json.RawMessage
		}
		if err := json.Unmarshal(line, &e); err != nil {
			w.t.Errorf("decode %s: %v", line, err)
		}
		w.record(e.Type, e.Kind, e.ResourceVersion, e.Object)
	}
	return len(b), nil
}

// record records one event. of is the kind of its object.
func (w *watcher) record(kind, of, version string, object json.RawMessage) {
	if version == httpv1.InitialVersion {
		version = ""
	}
	switch {
	case kind == "ERROR":
		w.version = ""
		return
	case kind == history.Bookmark:
		w.stream.Event(kind, "", "", version, time.Now())
	case of == "Pod":
		var pod struct{ Namespace, Name string }
		if err := json.Unmarshal(object, &pod); err != nil {
			w.t.Errorf("decode %s: %v", object, err)
		}
		key := pod.Namespace + "/" + pod.Name
		w.stream.Event(kind, key, string(object), version, time.Now())
		w.objects[key] = string(object)
		if kind == history.Deleted {
			delete(w.objects, key)
		}
	case version != "":
		w.stream.Version(version, time.Now())
	}
	if version != "" {
		w.version, w.last = version, version
	}
}
