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

func request(t *testing.T, method, target string, header ...string) *http.Response {
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

func TestHandlerServesOnlyThePage(t *testing.T) {
	for target, want := range map[string]int{
		"/": 200, "/clusters/prod-eu": 200, "/clusters/prod-eu?tab=ports&q=%3Cb%3E": 200, "/licenses.txt": 200,
		"/clusters": 404, "/clusters/": 404, "/clusters/a/b": 404, "/index.htm": 404, "/assets/none.js": 404,
		"/dist/index.html": 404, "/api/v1/clusters": 404,
	} {
		if got := request(t, http.MethodGet, target).StatusCode; got != want {
			t.Errorf("GET %s: got status %d, want %d", target, got, want)
		}
	}
	r := request(t, http.MethodPost, "/")
	if allow := r.Header.Get("Allow"); r.StatusCode != http.StatusMethodNotAllowed || allow != "GET, HEAD" {
		t.Errorf("POST /: got status %d, Allow %q, want 405, \"GET, HEAD\"", r.StatusCode, allow)
	}
}

func TestFilesOfThePageExist(t *testing.T) {
	page := string(body(t, request(t, http.MethodGet, "/")))
	references := regexp.MustCompile(`(?:src|href)="(/[^"]+)"`).FindAllStringSubmatch(page, -1)
	if len(references) < 2 {
		t.Fatalf("the page references %d files, want at least a script and a style sheet:\n%s", len(references), page)
	}
	for _, ref := range references {
		r := request(t, http.MethodGet, ref[1])
		if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") == "" {
			t.Errorf("GET %s: got status %d, Content-Type %q, want 200 with a type",
				ref[1], r.StatusCode, r.Header.Get("Content-Type"))
		}
	}
	if strings.Contains(page, "http://") || strings.Contains(page, "https://") {
		t.Errorf("the page references another host:\n%s", page)
	}
}

func TestCacheControl(t *testing.T) {
	for name := range files() {
		want := "no-cache"
		if strings.HasPrefix(name, "assets/") {
			want = immutable
		}
		target := "/" + strings.TrimPrefix(name, index)
		r := request(t, http.MethodGet, target)
		if got := r.Header.Get("Cache-Control"); got != want {
			t.Errorf("GET %s: got Cache-Control %q, want %q", target, got, want)
		}
		r = request(t, http.MethodGet, target, "If-None-Match", r.Header.Get("ETag"))
		if r.StatusCode != http.StatusNotModified {
			t.Errorf("GET %s with its ETag: got status %d, want 304", target, r.StatusCode)
		}
	}
}

func TestContentEncoding(t *testing.T) {
	content := files()[index].content
	for accepted, want := range map[string]string{
		"": "", "br": "", "gzip": "gzip", "gzip, deflate, br, zstd": "zstd",
		"zstd;q=0, gzip;q=0.5": "gzip", "gzip; q=0.0": "",
	} {
		r := request(t, http.MethodGet, "/", "Accept-Encoding", accepted)
		if got := r.Header.Get("Content-Encoding"); got != want {
			t.Errorf("Accept-Encoding %q: got Content-Encoding %q, want %q", accepted, got, want)
			continue
		}
		if got := decode(t, want, body(t, r)); !bytes.Equal(got, content) {
			t.Errorf("Accept-Encoding %q: got %d other bytes than the file's after decoding", accepted, len(got))
		}
	}
}

func decode(t *testing.T, encoding string, encoded []byte) []byte {
	t.Helper()
	var r io.Reader = bytes.NewReader(encoded)
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

func TestPolicyAllowsOnlyTheMaster(t *testing.T) {
	got := request(t, http.MethodGet, "/").Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"} {
		if !strings.Contains(got, want) {
			t.Errorf("got the policy %q, want it to contain %s", got, want)
		}
	}
	for _, unwanted := range []string{"unsafe", "http", "data:", "*"} {
		if strings.Contains(got, unwanted) {
			t.Errorf("got the policy %q, want it without %s", got, unwanted)
		}
	}
}

func TestPatternsMatchThePage(t *testing.T) {
	mux := http.NewServeMux()
	for _, p := range Patterns() {
		mux.Handle(p, Handler())
	}
	for _, target := range []string{"/", "/clusters/a", "/licenses.txt"} {
		if _, pattern := mux.Handler(httptest.NewRequest(http.MethodGet, target, nil)); pattern == "" {
			t.Errorf("no pattern matches %s", target)
		}
	}
}
