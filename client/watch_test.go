package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// readEvents returns the first n events of a watch as text, or those before it ends.
func readEvents(ctx context.Context, m *master, o WatchOptions, n int) (events []string, last error) {
	for e, err := range m.Watch(ctx, "prod-eu", o) {
		if err != nil {
			return events, err
		}
		events = append(events, format(e))
		if len(events) == n {
			return events, nil
		}
	}
	return events, nil
}

func format(e Event) string {
	if p, ok := e.Object.(*state.PodView); ok {
		return fmt.Sprintf("%s %s", e.Type, p.Name)
	}
	if e.InitialEnd {
		return "END"
	}
	return string(e.Type)
}

func TestWatchResumesAfterTheLastEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := serve(t, Config{},
			cut(pod("ADDED", "0", "a"), initialEnd("1.e-1"), pod("ADDED", "1.e-1", "b"), pod("ADDED", "1.e-2", "c")),
			cut(), hold(pod("DELETED", "1.e-3", "a")))
		ctx, _ := background(t)
		var cuts int
		events, err := readEvents(ctx, m, WatchOptions{Part: Pods, Filter: Filter{Namespace: "shop"}, Usage: UsageNone, Timeout: 20 * time.Second, OnRetry: func(err error, in time.Duration) {
			cuts++
			if err == nil || in <= 0 {
				t.Errorf("retrying in %s after %v", in, err)
			}
		}}, 5)
		if want := []string{"ADDED a", "END", "ADDED b", "ADDED c", "DELETED a"}; err != nil || !slices.Equal(events, want) {
			t.Errorf("got %q, %v; want %q", events, err, want)
		}
		first, third := m.request(0).URL, m.request(2).URL
		if q := first.Query(); first.Path != "/api/v1/clusters/prod-eu/pods" || q.Get("watch") != "true" || q.Get("namespace") != "shop" || q.Get("usage") != "none" || q.Get("timeout") != "20s" || q.Has("resourceVersion") {
			t.Errorf("first request for %s", first)
		}
		if third.Query().Get("resourceVersion") != "1.e-2" || cuts != 2 {
			t.Errorf("after %d cuts, third request for %s", cuts, third)
		}
	})
}

func TestWatchRestartsWhenInterruptedInTheInitialState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := serve(t, Config{}, cut(pod("ADDED", "0", "a")), hold(pod("ADDED", "0", "b"), initialEnd("1.e-1")))
		ctx, _ := background(t)
		events, _ := readEvents(ctx, m, WatchOptions{}, 4)
		if want := []string{"ADDED a", "RESTARTED", "ADDED b", "END"}; !slices.Equal(events, want) {
			t.Errorf("got %q, want %q", events, want)
		}
		if m.request(1).URL.Query().Has("resourceVersion") {
			t.Errorf("request for %s", m.request(1).URL)
		}
	})
}

func TestExpiredWatchRestartsAtOnce(t *testing.T) {
	for name, expired := range map[string]http.HandlerFunc{
		"by the response": refuse(410, "Expired", ""),
		"by an event":     stream(failure(410, "Expired")),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := serve(t, Config{}, expired, hold(initialEnd("2.e-1"), pod("ADDED", "2.e-2", "b")))
				ctx, _ := background(t)
				begin := time.Now()
				events, _ := readEvents(ctx, m, WatchOptions{ResourceVersion: "1.e-9"}, 3)
				if want := []string{"RESTARTED", "END", "ADDED b"}; !slices.Equal(events, want) {
					t.Errorf("got %q, want %q", events, want)
				}
				if first, second := m.request(0).URL.Query(), m.request(1).URL.Query(); first.Get("resourceVersion") != "1.e-9" || second.Get("resourceVersion") != "1.e-9" || second.Get("sendInitialEvents") != "true" || second.Get("resourceVersionMatch") != "NotOlderThan" || time.Since(begin) != 0 {
					t.Errorf("requests from %q and then %q, %s later", first.Get("resourceVersion"), second.Get("resourceVersion"), time.Since(begin))
				}
			})
		})
	}
}

func TestWatchBacksOffAndHonorsRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := serve(t, Config{}, refuse(503, "DialFailed", "20"), refuse(503, "DialFailed", ""), refuse(503, "DialFailed", ""), hold(initialEnd("1.e-1")))
		ctx, _ := background(t)
		_, _ = readEvents(ctx, m, WatchOptions{}, 1)
		pauses := []time.Duration{m.at[1].Sub(m.at[0]), m.at[2].Sub(m.at[1]), m.at[3].Sub(m.at[2])}
		if pauses[0] < 20*time.Second || pauses[0] > 23*time.Second || pauses[1] < 500*time.Millisecond || pauses[1] > time.Second || pauses[2] < time.Second || pauses[2] > 2*time.Second {
			t.Errorf("delays are %s", pauses)
		}
	})
}

func TestWatchEndsWithPermanentProblem(t *testing.T) {
	for status, reason := range map[int]string{400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "Suspended"} {
		m := serve(t, Config{}, refuse(status, reason, ""))
		_, err := readEvents(t.Context(), m, WatchOptions{}, 1)
		if p := problem(t, err); p.Status != status || p.Reason != reason || m.requests() != 1 {
			t.Errorf("%d: %v after %d requests", status, err, m.requests())
		}
	}
	m := serve(t, Config{}, hold(initialEnd("1.e-1"), failure(404, "NotFound")))
	if events, err := readEvents(t.Context(), m, WatchOptions{}, 9); problem(t, err).Status != 404 || !slices.Equal(events, []string{"END"}) {
		t.Errorf("by an event: %q, %v", events, err)
	}
}

func TestTokenThatExpiresDuringAWatchIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens := 0
		c := Config{Token: func(context.Context) (string, error) { tokens++; return fmt.Sprint("t", tokens), nil }}
		m := serve(t, c, hold(initialEnd("1.e-1"), failure(401, "Unauthorized")), hold(pod("ADDED", "1.e-2", "a")))
		ctx, _ := background(t)
		events, err := readEvents(ctx, m, WatchOptions{}, 2)
		if want := []string{"END", "ADDED a"}; err != nil || !slices.Equal(events, want) {
			t.Errorf("got %q, %v", events, err)
		}
		if got := m.request(1).Header.Get("Authorization"); got != "Bearer t2" {
			t.Errorf("the second request has Authorization %q, want Bearer t2", got)
		}
	})
}

func TestWatchStreamsAreRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, first := range map[string]http.HandlerFunc{
			"ended by the master": func(w http.ResponseWriter, r *http.Request) {
				stream(initialEnd("1.e-1"))(w, r)
				timeout, _ := time.ParseDuration(r.URL.Query().Get("timeoutSeconds") + "s")
				select {
				case <-time.After(timeout):
				case <-r.Context().Done():
				}
			},
			"ended by the client": hold(initialEnd("1.e-1")),
		} {
			m := serve(t, Config{}, first, hold(bookmark("1.e-1")))
			ctx, _ := background(t)
			begin := time.Now()
			events, _ := readEvents(ctx, m, WatchOptions{}, 2)
			if lasted := time.Since(begin); lasted < 5*time.Minute || lasted > 12*time.Minute || !slices.Equal(events, []string{"END", "BOOKMARK"}) {
				t.Errorf("%s: %q after %s", name, events, lasted)
			}
		}
	})
}

func TestWatchReconnectsWithoutResponseHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := serve(t, Config{}, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, hold(initialEnd("1.e-1")))
		ctx, _ := background(t)
		var why error
		_, _ = readEvents(ctx, m, WatchOptions{OnRetry: func(err error, _ time.Duration) { why = err }}, 1)
		if !errors.Is(why, errNoResponse) {
			t.Errorf("reconnected after %v, want errNoResponse", why)
		}
	})
}

func TestWatchEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, respond := range map[string]http.HandlerFunc{"in a stream": hold(initialEnd("1.e-1")), "in a pause": refuse(503, "NotReady", "60")} {
			m := serve(t, Config{}, respond)
			cause := errors.New("enough")
			ctx, cancel := context.WithCancelCause(context.Background())
			time.AfterFunc(time.Second, func() { cancel(cause) })
			if _, err := readEvents(ctx, m, WatchOptions{}, 9); !errors.Is(err, cause) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestReaderThatStopsEndsTheRequest(t *testing.T) {
	gone := make(chan struct{})
	m := serve(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		hold(initialEnd("1.e-1"))(w, r)
		close(gone)
	})
	_, _ = readEvents(t.Context(), m, WatchOptions{}, 1)
	<-gone
}

func TestWatchEndsWithInvalidEvent(t *testing.T) {
	for want, respond := range map[string]http.HandlerFunc{
		"decode event":       respond("<html>\n"),
		"larger than":        stream(pod("ADDED", "0", strings.Repeat("x", 2<<10))),
		"lacks its required": stream(`{"type":"ADDED","kind":"Pod","resourceVersion":"0","object":{}}`),
	} {
		m := serve(t, Config{MaxEvent: 1 << 10}, respond)
		if _, err := readEvents(t.Context(), m, WatchOptions{}, 1); err == nil || !strings.Contains(err.Error(), want) || m.requests() != 1 {
			t.Errorf("%v after %d requests, want %q", err, m.requests(), want)
		}
	}
}

func TestEventObjectsAreTyped(t *testing.T) {
	m := serve(t, Config{}, hold(
		`{"type":"ADDED","kind":"Node","resourceVersion":"0","object":{"name":"n1","ready":"True"}}`,
		`{"type":"ADDED","kind":"Container","resourceVersion":"0","object":{"name":"app"}}`,
		`{"type":"ADDED","kind":"Port","resourceVersion":"0","object":{"port":80,"targets":[]}}`,
		`{"type":"ADDED","kind":"Summary","resourceVersion":"0","object":{"healthy":true}}`,
		`{"type":"ADDED","kind":"Session","resourceVersion":"0","object":{"phase":"Reporting","stale":true}}`,
		`{"type":"MODIFIED","kind":"Usage","resourceVersion":"1.e-1","object":{"nodes":{"n1":[1,2]},"containers":{}}}`,
		`{"type":"ADDED","kind":"Moon","resourceVersion":"1.e-2","object":{"full":true}}`,
	))
	var got []string
	for e, err := range m.Watch(t.Context(), "a", WatchOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%T", e.Object))
		if raw, ok := e.Object.(json.RawMessage); ok {
			if string(raw) != `{"full":true}` {
				t.Errorf("object of an unknown kind is %s", raw)
			}
			break
		}
	}
	want := []string{"*state.NodeView", "*state.ContainerView", "*state.PortView", "*state.Summary", "*v1.SessionStatus", "*v1.Usage", "json.RawMessage"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWatchClustersResumesEachCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		of := func(cluster, line string) string { return `{"cluster":"` + cluster + `",` + line[1:] }
		m := serve(t, Config{},
			cut(`{"type":"ADDED","kind":"Cluster","resourceVersion":"0","object":{"name":"a","stale":true}}`, initialEnd("f-1"),
				of("a", initialEnd("1.e-1")), of("a", pod("ADDED", "1.e-2", "x")), of("c", initialEnd("3.e-1")), of("b", pod("ADDED", "0", "y"))),
			hold(of("a", pod("DELETED", "1.e-3", "x")), of("b", pod("ADDED", "0", "z")), of("b", initialEnd("2.e-1")), of("c", failure(403, "Forbidden"))))
		ctx, _ := background(t)
		var got []string
		for e, err := range m.WatchClusters(ctx, WatchClustersOptions{Query: "prod", Demand: []string{"*"}, Detail: []string{"b", "a", "c"}}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, strings.TrimSpace(e.Cluster+" "+format(e)))
			if e.Type == Failed {
				if e.Object.(*Problem).Status != 403 {
					t.Errorf("failed with %v", e.Object)
				}
				break
			}
		}
		want := []string{"ADDED", "END", "a END", "a ADDED x", "c END", "b ADDED y", "a DELETED x", "b RESTARTED", "b ADDED z", "b END", "c ERROR"}
		if !slices.Equal(got, want) {
			t.Errorf("\n got %q\nwant %q", got, want)
		}
		first, second := m.request(0).URL.Query(), m.request(1).URL.Query()
		if first.Get("detail") != "a,b,c" || first.Get("demand") != "*" || first.Get("q") != "prod" || second.Get("detail") != "a@1.e-2,b,c@3.e-1" || second.Get("resourceVersion") != "f-1" {
			t.Errorf("requests %v and %v", first, second)
		}
	})
}

func TestRetryAfterDelaysTheNextStream(t *testing.T) {
	w := resumingWatcher{failures: 1}
	if got := w.delay(0); got < 250*time.Millisecond || got >= 500*time.Millisecond {
		t.Errorf("after the first failure the delay is %s, want 250ms to 500ms", got)
	}
	if got := w.delay(24 * time.Hour); got < 5*time.Minute || got > 6*time.Minute {
		t.Errorf("with Retry-After of a day the delay is %s", got)
	}
}
