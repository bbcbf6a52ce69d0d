package sink

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// request is a request to a fake receiver.
type request struct {
	path, query, authorization string
	header                     http.Header
	body                       []byte
}

// serve starts a receiver that responds with a status, and returns its address and the
// last request.
func serve(t *testing.T, status int, header ...string) (address string, last *request) {
	t.Helper()
	last = &request{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*last = request{r.URL.Path, r.URL.RawQuery, r.Header.Get("Authorization"), r.Header, body}
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "message of the receiver"+strings.Repeat(".", 1000))
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://"), last
}

// send sends batches to a sink in one request, and returns the error.
func send(t *testing.T, rawURL string, batches ...*Batch) error {
	t.Helper()
	s, err := parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	e, err := s.open(s)
	if err != nil {
		t.Fatal(err)
	}
	defer e.close()
	for _, b := range batches {
		e.begin(b)
		for set := range b.Sets() {
			if err := e.add(&set); err != nil {
				t.Fatal(err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), s.timeout)
	defer cancel()
	return e.send(ctx)
}

// batches returns the batches of two readings of a cluster.
func batches(t *testing.T) []*Batch {
	b, m := trackers{}, newMember(t, 1, "web")
	return append(b.batchesOf(m.report("prod", 1, 100)), b.batchesOf(m.report("prod", 16, 200))...)
}

func TestStatusCodesAreHandledAsRemoteWriteSpecifies(t *testing.T) {
	for status, refused := range map[int]bool{400: true, 401: true, 404: true, 413: true, 307: true, 429: false, 500: false, 503: false} {
		address, _ := serve(t, status, "Retry-After", "7", "Location", "/elsewhere")
		err := send(t, "prometheus+http://"+address, batches(t)...)
		var final *refusedError
		var later *retryAfterError
		if errors.As(err, &final) != refused || !strings.Contains(err.Error(), "message of the receiver") || len(err.Error()) > 300 {
			t.Errorf("%d: got error %v, want a short one with the message of the receiver, and refused %t", status, err, refused)
		}
		if !refused && (!errors.As(err, &later) || later.after != 7*time.Second) {
			t.Errorf("%d: got error %v, want Retry-After 7s", status, err)
		}
	}
}

func TestSecretsAreReadAtEachRequest(t *testing.T) {
	address, got := serve(t, 204)
	file := secretFile(t, "one")
	for rawURL, want := range map[string]string{
		"prometheus+http://" + address + "?bearer-token-file=" + file:            "Bearer one",
		"prometheus+http://" + address + "?username=u&password-file=" + file:     "Basic dTpvbmU=",
		"influxdb+http://" + address + "?org=o&bucket=b&token-file=" + file:      "Token one",
		"influxdb+http://" + address + "?db=d&username=u&password-file=" + file:  "Basic dTpvbmU=",
		"prometheus+http://" + address + "/write?timeout=2s&name=without-secret": "",
	} {
		if err := send(t, rawURL, batches(t)...); err != nil || got.authorization != want {
			t.Errorf("%s: got error %v and authorization %q, want %q", rawURL, err, got.authorization, want)
		}
	}
	s, _ := parse("prometheus+http://" + address + "?bearer-token-file=" + file)
	e, err := s.open(s)
	if err != nil {
		t.Fatal(err)
	}
	defer e.close()
	if err := os.WriteFile(file, []byte("two"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := batches(t)[1]
	e.begin(b)
	for set := range b.Sets() {
		if err := e.add(&set); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.send(t.Context()); err != nil || got.authorization != "Bearer two" {
		t.Errorf("got error %v and authorization %q, want that of the changed file", err, got.authorization)
	}
	os.Remove(file)
	if err := e.send(t.Context()); err == nil || strings.Contains(err.Error(), "two") {
		t.Errorf("without its file: got error %v, want one that does not contain the secret", err)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-3": 0, "soon": 0, "99999999": time.Hour,
		"Sun, 22 Nov 2026 10:01:00 GMT": time.Minute, "Sun, 22 Nov 2026 09:00:00 GMT": 0,
	} {
		if got := retryAfter(value, now); got != want {
			t.Errorf("%q: got %s, want %s", value, got, want)
		}
	}
}

func TestInfluxDBLinesMatchHeapster(t *testing.T) {
	address, got := serve(t, 204)
	for query, lines := range map[string][]string{
		"db=k8s&rp=week": {
			"cpu/usage_rate,cluster_name=prod,container_base_image=registry/app:1,container_name=app,hostname=n1,namespace_name=shop,nodename=n1,pod_name=web,type=pod_container value=200i ",
			"cpu/usage,cluster_name=prod,hostname=n1,nodename=n1,type=node value=3000000000i ",
			"cpu/node_utilization,cluster_name=prod,hostname=n1,nodename=n1,type=node value=0.1 ",
			"memory/working_set,cluster_name=prod,namespace_name=shop,type=ns value=209715200i ",
			"cpu/usage_rate,cluster_name=prod,type=cluster value=200i ",
			"rollcall_cluster,cluster_name=prod nodes_total=1i,nodes_ready=0i,",
		},
		"org=o&bucket=b&withfields=true": {
			"cpu,cluster_name=prod,hostname=n1,namespace_name=shop,nodename=n1,pod_name=web,type=pod usage=3000000000i,usage_rate=200i,request=250i,limit=0i ",
			"uptime,cluster_name=prod,container_base_image=registry/app:1,container_name=app,hostname=n1,namespace_name=shop,nodename=n1,pod_name=web,type=pod_container value=75000i ",
		},
	} {
		if err := send(t, "influxdb+http://"+address+"?"+query, batches(t)...); err != nil {
			t.Fatal(err)
		}
		reader, err := gzip.NewReader(strings.NewReader(string(got.body)))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(reader)
		for _, line := range lines {
			if !strings.Contains("\n"+string(body), "\n"+line) {
				t.Errorf("%s: got lines\n%s\nwant also %q", query, body, line)
			}
		}
	}
	if got.path == "" || !strings.Contains(got.query, "precision=ms") {
		t.Errorf("got a request to %s?%s, want a path, and precision=ms", got.path, got.query)
	}
}
