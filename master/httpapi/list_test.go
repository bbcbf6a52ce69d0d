package httpapi

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"

	"rollcall.dev/rollcall/master/session"
)

// slowReviews authenticates a caller that may see some of many clusters. Each review takes some
// time.
type slowReviews struct {
	takes time.Duration
	sees  func(cluster string) error
}

func (m slowReviews) identify(*http.Request) (Authorizer, error) {
	return func(ctx context.Context, want Access) error {
		if want.Verb == "list" {
			return ErrForbidden
		}
		select {
		case <-time.After(m.takes):
			return m.sees(want.Cluster)
		case <-ctx.Done():
			return ErrAuthorizerUnavailable
		}
	}, nil
}

// slowListAPI returns an API whose list takes three rounds of reviews.
func slowListAPI(f *fake, m slowReviews) *API {
	for i := range 3*maxParallelReviews - 2 {
		f.Registered = append(f.Registered, session.Registered{Name: fmt.Sprintf("z%03d", i)})
	}
	return f.api(func(c *Config) { c.Authenticate = m.identify })
}

// reviewOne reviews access: allowed for prod-eu and for clusters whose names end in 1.
func reviewOne(cluster string) error {
	if strings.HasSuffix(cluster, "1") || cluster == "prod-eu" {
		return nil
	}
	return ErrHidden
}

type listDocument struct {
	ResourceVersion, Continue string
	Clusters                  []struct{ Name string }
}

func decodeList(t *testing.T, text string) (d listDocument) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return d
}

func TestSlowListIsStreamed(t *testing.T) {
	for _, limit := range []string{"", "?limit=7", "?q=z"} {
		bubble(t, func(t *testing.T, f *fake) {
			m := slowReviews{200 * time.Millisecond, reviewOne}
			api := slowListAPI(f, m)
			w := watching(t, api, "/api/v1/clusters"+limit, nil)
			<-time.After(399 * time.Millisecond)
			if early := w.text(); early != "" {
				t.Errorf("%q: got %s after 399ms, want nothing yet", limit, early)
			}
			<-time.After(2 * time.Millisecond)
			begins := w.text()
			if !strings.HasPrefix(begins, `{"clusters":[{"name":"`) || w.status != http.StatusOK || w.flushed() == 0 {
				t.Errorf("%q: got %d %.100s and %d flushes after two rounds, want the start of a list", limit, w.status, begins, w.flushed())
			}
			<-time.After(time.Second)
			slow := decodeList(t, begins+w.text())
			if !w.ended() || w.header.Get("Etag") != "" || w.header.Get("Cache-Control") != "private, no-cache" {
				t.Errorf("%q: got headers %v, want a complete response that is private and has no ETag", limit, w.header)
			}
			quick := f.api(func(c *Config) { c.Authenticate = slowReviews{0, reviewOne}.identify })
			q := get(quick, "/api/v1/clusters"+limit)
			whole := decodeList(t, q.Body.String())
			if fmt.Sprint(whole.Clusters) != fmt.Sprint(slow.Clusters) || (slow.Continue == "") != (whole.Continue == "") || slow.ResourceVersion == "" || q.Header().Get("Etag") == "" {
				t.Errorf("%q: the streamed list is\n%+v\nwant as without streaming (ETag %s)\n%+v", limit, slow, q.Header().Get("Etag"), whole)
			}
			resumed := watching(t, api, listPath+"&resourceVersion="+slow.ResourceVersion, nil)
			<-time.After(time.Second)
			if synctest.Wait(); resumed.status != http.StatusOK {
				t.Errorf("%q: watch from the list's version: got %d, want 200", limit, resumed.status)
			}
		})
	}
}

func TestListIsForbiddenIfNoClusterIsVisible(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		api := slowListAPI(f, slowReviews{time.Second, func(string) error { return ErrHidden }})
		if w := get(api, "/api/v1/clusters"); w.Code != http.StatusForbidden {
			t.Errorf("got %d %s, want 403", w.Code, w.Body)
		}
	})
}

// TestTruncatedListAbortsTheConnection makes the hub unavailable during a streamed list.
func TestTruncatedListAbortsTheConnection(t *testing.T) {
	unpack := map[string]func(io.Reader) (io.Reader, error){
		"identity": func(r io.Reader) (io.Reader, error) { return r, nil },
		"gzip":     func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		"zstd":     func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r, zstd.WithDecoderConcurrency(1)) },
	}
	for encoding, unpacked := range unpack {
		for _, unavailable := range []bool{false, true} {
			bubble(t, func(t *testing.T, f *fake) {
				h := newMemListener()
				api := slowListAPI(f, slowReviews{200 * time.Millisecond, func(cluster string) error {
					if unavailable && cluster == "z180" {
						return fmt.Errorf("%w: the hub is unavailable", ErrAuthorizerUnavailable)
					}
					return reviewOne(cluster)
				}})
				h.serve(t, api)
				transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return h.dial(), nil }, DisableCompression: true}
				defer transport.CloseIdleConnections()
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://x/api/v1/clusters", nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Accept-Encoding", encoding)
				answer, err := transport.RoundTrip(r)
				if err != nil || answer.StatusCode != http.StatusOK {
					t.Fatal(answer, err)
				}
				defer answer.Body.Close()
				var text []byte
				body, err := unpacked(answer.Body)
				if err == nil {
					text, err = io.ReadAll(body)
				}
				if unavailable && (!errors.Is(err, io.ErrUnexpectedEOF) || json.Valid(text)) || !unavailable && (err != nil || len(decodeList(t, string(text)).Clusters) != 20) {
					t.Errorf("%s, hub unavailable %t: got error %v and body %s, want a truncated body if the hub is unavailable, else 20 clusters", encoding, unavailable, err, text)
				}
				codes, err := f.metric(t, "rollcall_http_requests_total")
				if want := map[bool]string{true: "503", false: "200"}[unavailable]; err != nil || !strings.Contains(codes, want) {
					t.Errorf("got metrics %s, error %v; want code %s", codes, err, want)
				}
			})
		}
	}
}
