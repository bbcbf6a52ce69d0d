package web

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

func ask(t *testing.T, method, target string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) []byte {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestThePageIsAtItsOwnURLsOnly(t *testing.T) {
	for target, want := range map[string]int{
		"/": 200, "/clusters/prod-eu": 200, "/clusters/prod-eu?tab=ports&q=%3Cb%3E": 200, "/licenses.txt": 200,
		"/clusters": 404, "/clusters/": 404, "/clusters/a/b": 404, "/index.htm": 404, "/assets/none.js": 404, "/dist/index.html": 404, "/api/v1/clusters": 404,
	} {
		if got := ask(t, http.MethodGet, target).StatusCode; got != want {
			t.Errorf("%s: %d, want %d", target, got, want)
		}
	}
	if r := ask(t, http.MethodPost, "/"); r.StatusCode != http.StatusMethodNotAllowed || r.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d, Allow %q", r.StatusCode, r.Header.Get("Allow"))
	}
}

func TestEverythingThePageNamesIsThere(t *testing.T) {
	page := string(body(t, ask(t, http.MethodGet, "/")))
	named := regexp.MustCompile(`(?:src|href)="(/[^"]+)"`).FindAllStringSubmatch(page, -1)
	if len(named) < 2 {
		t.Fatalf("the page names %d files, want a script and a style at least:\n%s", len(named), page)
	}
	for _, one := range named {
		r := ask(t, http.MethodGet, one[1])
		if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") == "" {
			t.Errorf("%s: %d, type %q", one[1], r.StatusCode, r.Header.Get("Content-Type"))
		}
	}
	if strings.Contains(page, "http://") || strings.Contains(page, "https://") {
		t.Errorf("the page names another host:\n%s", page)
	}
}

func TestHashedFilesAreKeptForever(t *testing.T) {
	for name := range files() {
		want := "no-cache"
		if strings.HasPrefix(name, "assets/") {
			want = forever
		}
		target := "/" + strings.TrimPrefix(name, index)
		r := ask(t, http.MethodGet, target)
		if got := r.Header.Get("Cache-Control"); got != want {
			t.Errorf("%s: Cache-Control %q, want %q", target, got, want)
		}
		if again := ask(t, http.MethodGet, target, "If-None-Match", r.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
			t.Errorf("%s: %d for the same content, want 304", target, again.StatusCode)
		}
	}
}

func TestFilesArePackedAsTheClientTakesThem(t *testing.T) {
	plain := files()[index].plain
	for accepted, want := range map[string]string{
		"": "", "br": "", "gzip": "gzip", "gzip, deflate, br, zstd": "zstd", "zstd;q=0, gzip;q=0.5": "gzip", "gzip; q=0.0": "",
	} {
		r := ask(t, http.MethodGet, "/", "Accept-Encoding", accepted)
		if got := r.Header.Get("Content-Encoding"); got != want {
			t.Errorf("%q: packed as %q, want %q", accepted, got, want)
			continue
		}
		if got := unpack(t, want, body(t, r)); !bytes.Equal(got, plain) {
			t.Errorf("%q: unpacked it is %d bytes of another file", accepted, len(got))
		}
	}
}

func unpack(t *testing.T, encoding string, packed []byte) []byte {
	t.Helper()
	var r io.Reader = bytes.NewReader(packed)
	var err error
	switch encoding {
	case "gzip":
		r, err = gzip.NewReader(r)
	case "zstd":
		r, err = zstd.NewReader(r)
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestThePolicyAllowsNothingButTheMaster(t *testing.T) {
	got := ask(t, http.MethodGet, "/").Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"} {
		if !strings.Contains(got, want) {
			t.Errorf("policy %q lacks %s", got, want)
		}
	}
	for _, not := range []string{"unsafe", "http", "data:", "*"} {
		if strings.Contains(got, not) {
			t.Errorf("policy %q has %s", got, not)
		}
	}
}

func TestPatternsFitAMux(t *testing.T) {
	mux := http.NewServeMux()
	for _, p := range Patterns() {
		mux.Handle(p, Handler())
	}
	for _, target := range []string{"/", "/clusters/a", "/licenses.txt"} {
		if _, pattern := mux.Handler(httptest.NewRequest(http.MethodGet, target, nil)); pattern == "" {
			t.Errorf("no pattern takes %s", target)
		}
	}
}
