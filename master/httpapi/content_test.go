package httpapi

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/view"
)

func newRequest(target string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func TestIfNoneMatchReturns304(t *testing.T) {
	f := shop(t)
	api := f.api(nil)
	for _, path := range []string{"", "/pods", "/pods?q=web", "/nodes?limit=1", "/summary"} {
		full := get(api, eu1+path)
		tag := full.Header().Get("ETag")
		if tag != `W/"17.9f2c-4"` {
			t.Errorf("%s: got ETag %s, want the version of the report", path, tag)
		}
		for header, want := range map[string]int{tag: 304, `"17.9f2c-4"`: 304, `W/"x", ` + tag: 304, "*": 304, `W/"17.9f2c-3"`: 200, "17.9f2c-4": 200, `"`: 200} {
			w := do(api, newRequest(eu1+path, "If-None-Match", header))
			if w.Code != want || w.Code == 304 && w.Body.Len() > 0 {
				t.Errorf("%s, If-None-Match %s: got %d with %d bytes, want %d", path, header, w.Code, w.Body.Len(), want)
			}
			for _, name := range []string{"ETag", "Age", "Rollcall-Observed-At", "Rollcall-Received-At", "Rollcall-Session", "Rollcall-Stale", "Vary", "Cache-Control"} {
				if got := w.Header().Get(name); got == "" || got != full.Header().Get(name) {
					t.Errorf("%s, %d: got %s %q, want %q", path, w.Code, name, got, full.Header().Get(name))
				}
			}
		}
	}
	f.report(t, "prod-eu", nil, node("n2", state.True))
	if w := do(api, newRequest(eu1, "If-None-Match", `W/"17.9f2c-4"`)); w.Code != 200 {
		t.Errorf("after a change: got %d, want 200", w.Code)
	}
}

func TestSummaryThatAgedIsSentAgain(t *testing.T) {
	f := shop(t)
	api := f.api(nil)
	tag := get(api, eu1).Header().Get("ETag")
	v := *f.Reports["prod-eu"]
	v.ReceivedAt, v.Summary.Healthy = v.ReceivedAt.Add(time.Second), false
	f.Reports["prod-eu"] = &v
	for range 2 {
		if w := do(api, newRequest(eu1, "If-None-Match", tag)); w.Code != 200 {
			t.Errorf("got %d, want 200 with the new summary", w.Code)
		}
	}
}

func TestUnchangedListReturns304(t *testing.T) {
	f := shop(t)
	api := f.api(nil)
	const list = "/api/v1/clusters"
	first := get(api, list)
	tag := first.Header().Get("ETag")
	for _, path := range []string{list, list + "?limit=500"} {
		w := do(api, newRequest(path, "If-None-Match", tag, "Accept-Encoding", "gzip"))
		if w.Code != http.StatusNotModified || w.Body.Len() > 0 || w.Header().Get("ETag") != tag || w.Header().Get("Vary") != first.Header().Get("Vary") {
			t.Errorf("%s: got %d with %d bytes, %v; want 304 with %s", path, w.Code, w.Body.Len(), w.Header(), tag)
		}
	}
	if w := do(api, newRequest(list+"?q=prod", "If-None-Match", tag)); w.Code != http.StatusOK || w.Header().Get("ETag") == tag {
		t.Errorf("other words: got %d, ETag %s; want 200 and another ETag", w.Code, w.Header().Get("ETag"))
	}
	f.report(t, "prod-eu", nil, node("n2", state.True))
	if w := do(api, newRequest(list, "If-None-Match", tag)); w.Code != http.StatusOK || w.Header().Get("ETag") == tag {
		t.Errorf("after a report: got %d, ETag %s; want 200 and another ETag", w.Code, w.Header().Get("ETag"))
	}
}

func TestResponsesAreCompressedAsRequested(t *testing.T) {
	api := shop(t).api(nil)
	plain := get(api, eu1)
	for header, want := range map[string]string{
		"gzip": "gzip", "gzip, deflate, br, zstd": "zstd", "zstd;q=0.1, gzip;q=0.9": "gzip", "gzip;q=0": "", "identity": "", "br": "", "*": "zstd", "*;q=0": "", "GZIP": "gzip",
		"gzip;Q=0": "", "gzip;\tq=0": "", "gzip ; q = 0.5": "gzip", "gzip;q=NaN": "", "gzip;q=2": "", "gzip;q=x": "", "identity;q=1, gzip;q=0.5": "", "": "",
	} {
		for _, query := range []string{"", "?q=web"} {
			w := do(api, newRequest(eu1+query, "Accept-Encoding", header))
			if got := w.Header().Get("Content-Encoding"); got != want || w.Header().Get("Content-Length") != fmt.Sprint(w.Body.Len()) {
				t.Errorf("Accept-Encoding %q: got %q with %s bytes, want %q with %d", header, got, w.Header().Get("Content-Length"), want, w.Body.Len())
			}
			if got := unpack(t, w.Body.Bytes(), want); query == "" && !bytes.Equal(got, plain.Body.Bytes()) {
				t.Errorf("Accept-Encoding %q: got %d bytes decompressed, want %d", header, len(got), plain.Body.Len())
			}
		}
	}
	if w := do(api, newRequest("/api/v1/clusters", "Accept-Encoding", "gzip")); w.Header().Get("Content-Encoding") != "gzip" {
		t.Error("the list is not compressed")
	}
	if w := do(api, newRequest("/api/v1/clusters?q=nothing", "Accept-Encoding", "gzip")); w.Header().Get("Content-Encoding") != "" {
		t.Error("a response of a hundred bytes is compressed")
	}
}

func unpack(t *testing.T, body []byte, encoding string) []byte {
	t.Helper()
	var r io.Reader = bytes.NewReader(body)
	var err error
	switch encoding {
	case "gzip":
		r, err = gzip.NewReader(r)
	case "zstd":
		var d *zstd.Decoder
		d, err = zstd.NewReader(r)
		defer d.Close()
		r = d
	}
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

func TestCompressedBytesAreSharedAndBounded(t *testing.T) {
	f := shop(t)
	documents := view.NewDocumentCache(1 << 20)
	api := f.api(func(c *Config) { c.Documents = documents })
	do(api, newRequest(eu1))
	plain := documents.Bytes()
	do(api, newRequest(eu1, "Accept-Encoding", "gzip"))
	packed := documents.Bytes()
	do(api, newRequest(eu1, "Accept-Encoding", "gzip"))
	if packed <= plain || documents.Bytes() != packed {
		t.Errorf("got %d, then %d, then %d cached bytes; want the compressed bytes counted once", plain, packed, documents.Bytes())
	}
}
