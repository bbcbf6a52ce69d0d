package local

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/test/kube"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(kube.Main(m)) }

// patience is how long tests wait for a state.
const patience = time.Minute

// terminal records what is printed. It is safe for concurrent use.
type terminal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *terminal) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *terminal) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// running is a running command.
type running struct {
	t *testing.T
	*terminal
	url, link, token string
}

var printed = regexp.MustCompile(`(?s)(http://\S+/\?token=\S+).*ROLLCALL_SERVER=(\S+) ROLLCALL_TOKEN=(\S+)`)

// start runs c until the test ends.
func start(t *testing.T, c Config) *running {
	t.Helper()
	r := &running{t: t, terminal: &terminal{}}
	c.Address, c.Version, c.Out, c.Log = "127.0.0.1", "v1.2.3", r.terminal, slog.New(slog.DiscardHandler)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, c) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	eventually(t, "the address is printed", func() bool {
		m := printed.FindStringSubmatch(r.String())
		if m != nil {
			r.link, r.url, r.token = m[1], m[2], m[3]
		}
		return m != nil
	}, r.String)
	return r
}

// eventually waits until a condition holds. Otherwise it fails with the state.
func eventually(t *testing.T, what string, holds func() bool, state func() string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not within %s; got\n%s", what, patience, state())
		}
	}
}

// response is a response with its body.
type response struct {
	status int
	header http.Header
	body   string
}

// request sends a GET with a header and does not follow redirects.
func (r *running) request(path string, header http.Header) response {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.url+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header = header
	if host := header.Get("Host"); host != "" {
		request.Host = host
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	got, err := client.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return response{got.StatusCode, got.Header, string(body)}
}

// bearer returns the header with the bearer token.
func (r *running) bearer() http.Header {
	return http.Header{"Authorization": {"Bearer " + r.token}}
}

// get decodes the response to a GET with the bearer token.
func (r *running) get(path string, into any) {
	r.t.Helper()
	got := r.request(path, r.bearer())
	if got.status != http.StatusOK {
		r.t.Fatalf("GET %s: %d %s", path, got.status, got.body)
	}
	if err := json.Unmarshal([]byte(got.body), into); err != nil {
		r.t.Fatal(err)
	}
}

// clusters returns the list of clusters by name.
func (r *running) clusters() map[string]httpv1.Cluster {
	r.t.Helper()
	var list struct{ Clusters []httpv1.Cluster }
	r.get("/api/v1/clusters", &list)
	all := map[string]httpv1.Cluster{}
	for _, c := range list.Clusters {
		all[c.Name] = c
	}
	return all
}

// waitPrinted waits until a text was printed.
func (r *running) waitPrinted(want string) {
	r.t.Helper()
	eventually(r.t, "print "+want, func() bool { return strings.Contains(r.String(), want) }, r.String)
}

// query returns the query of the address of the page.
func (r *running) query() string {
	u, err := url.Parse(r.link)
	if err != nil {
		r.t.Fatal(err)
	}
	return "/?" + u.RawQuery
}
