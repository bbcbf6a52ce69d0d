package httpapi

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/session/dial"
	"rollcall.dev/rollcall/master/view"
)

const eu1 = "/api/v1/clusters/prod-eu"

var reporting = session.Status{Session: session.Info{ID: "s-1", Phase: session.Reporting}}

// bubble runs a test in virtual time on a shop whose cluster reports.
func bubble(t *testing.T, test func(t *testing.T, f *fake)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := shop(t)
		f.Statuses["prod-eu"], f.Statuses["v1.24.lab"] = reporting, reporting
		test(t, f)
	})
}

func TestWatchSendsInitialEventsThenChanges(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		w := watching(t, f.api(nil), eu1+"?watch=true", nil)
		w.expect("ADDED Node n1", "ADDED Pod web-1", "ADDED Container app", "ADDED Port", "ADDED Summary", "ADDED Session Reporting", "BOOKMARK initial-events-end")
		if w.header.Get("Content-Type") != "application/json;stream=watch" || w.header.Get("X-Accel-Buffering") != "no" {
			t.Errorf("got headers %v, want those of an unbuffered watch", w.header)
		}
		f.report(t, "prod-eu", nil, node("n2", state.True))
		w.expect("ADDED Node n2", "MODIFIED Summary")
		f.report(t, "prod-eu", nil, node("n1", state.False))
		w.expect("MODIFIED Node n1", "MODIFIED Summary")
		f.report(t, "prod-eu", []state.Key{{Kind: state.KindNode, Name: "n1"}})
		w.expect("DELETED Node n1", "MODIFIED Summary")
		f.report(t, "prod-eu", nil)
		w.expect()
	})
}

func TestWatchOfAPart(t *testing.T) {
	for part, want := range map[string]string{
		"summary": "Summary", "nodes": "Node n1", "pods": "Pod web-1", "containers": "Container app", "ports": "Port",
	} {
		bubble(t, func(t *testing.T, f *fake) {
			w := watching(t, f.api(nil), eu1+"/"+part+"?watch=1", nil)
			w.expect("ADDED "+want, "ADDED Session Reporting", "BOOKMARK initial-events-end")
		})
	}
}

func TestObjectThatLeavesTheFilterIsDeleted(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		w := watching(t, f.api(nil), eu1+"/nodes?watch=true&state=ready", nil)
		w.expect("ADDED Node n1", "ADDED Session Reporting", "BOOKMARK initial-events-end")
		f.report(t, "prod-eu", nil, node("n1", state.False))
		w.expect("DELETED Node n1")
		f.report(t, "prod-eu", nil, node("n1", state.True))
		w.expect("ADDED Node n1")
	})
}

func TestWatchResumes(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		api := f.api(nil)
		w := watching(t, api, eu1+"/nodes?watch=true", nil)
		first := decodeEvents(t, w.text())
		version := first[len(first)-1].ResourceVersion
		w.cancel()
		f.report(t, "prod-eu", nil, node("n2", state.True))
		<-time.After(time.Minute)
		f.report(t, "prod-eu", nil, node("n3", state.True))
		again := watching(t, api, eu1+"/nodes?watch=true&resourceVersion="+version, nil)
		again.expect("ADDED Node n2", "ADDED Node n3")
		<-time.After(10 * time.Minute)
		synctest.Wait()
	})
}

func TestWatchFromTheVersionOfAGet(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		api := f.api(nil)
		page := get(api, eu1+"/nodes?limit=1")
		version := strings.Trim(string(fields(t, page.Body)["resourceVersion"]), `"`)
		f.report(t, "prod-eu", nil, node("n2", state.True))
		f.report(t, "prod-eu", []state.Key{{Kind: state.KindNode, Name: "n1"}})
		watching(t, api, eu1+"/nodes?watch=true&resourceVersion="+version, nil).expect("DELETED Node n1", "ADDED Node n2", "MODIFIED Session Reporting")
	})
}

func TestSendInitialEvents(t *testing.T) {
	for _, tc := range []struct{ query, want string }{
		{"", "[ADDED Node n1 ADDED Session Reporting BOOKMARK initial-events-end]"},
		{"&sendInitialEvents=true", "[ADDED Node n1 ADDED Session Reporting BOOKMARK initial-events-end]"},
		{"&sendInitialEvents=false", "[]"},
		{"&sendInitialEvents=true&resourceVersion=17.9f2c-1&resourceVersionMatch=NotOlderThan", "[ADDED Node n1 ADDED Session Reporting BOOKMARK initial-events-end]"},
	} {
		bubble(t, func(t *testing.T, f *fake) {
			w := watching(t, f.api(nil), eu1+"/nodes?watch=true"+tc.query, nil)
			if got := fmt.Sprint(w.received()); got != tc.want {
				t.Errorf("%q: got %s, want %s", tc.query, got, tc.want)
			}
			f.report(t, "prod-eu", nil, node("n2", state.True))
			w.expect("ADDED Node n2")
		})
	}
}

func TestWatchRegistersDemand(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		w := watching(t, f.api(nil), eu1+"?watch=true", nil)
		if got := f.Watching("prod-eu"); got != 1 {
			t.Errorf("%d watches register demand, want 1", got)
		}
		w.cancel()
		if !w.ended() || f.Watching("prod-eu") != 0 {
			t.Errorf("ended %t, %d watches register demand; want the stream ended", w.ended(), f.Watching("prod-eu"))
		}
	})
}

func TestWatchOfUnreachableClusterFailsLikeGet(t *testing.T) {
	for failure, want := range map[error]int{
		session.ErrSuspended: 409,
		session.ErrNotFound:  404,
		&session.UnreachableError{Reason: dial.DialFailed, Err: fmt.Errorf("refused")}: 503,
	} {
		bubble(t, func(t *testing.T, f *fake) {
			delete(f.Reports, "prod-eu")
			f.Failures["prod-eu"] = failure
			if w := watching(t, f.api(nil), eu1+"?watch=true", nil); w.status != want || f.Watching("prod-eu") != 0 {
				t.Errorf("%v: got %d, want %d and no demand", failure, w.status, want)
			}
		})
	}
}

func TestWatchSurvivesSuspension(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		w := watching(t, f.api(nil), eu1+"/nodes?watch=true&allowWatchBookmarks=true", nil)
		w.text()
		f.Change(func() {
			f.Registered[0].Suspended = true
			f.Statuses["prod-eu"] = session.Status{Session: session.Info{Phase: session.Idle}}
		})
		events := decodeEvents(t, w.text())
		if got := briefs(events); fmt.Sprint(got) != "[MODIFIED Session Idle BOOKMARK]" || events[0].Object["suspended"] != true {
			t.Errorf("got %v, %v; want a Session with suspended", got, events)
		}
		<-time.After(10 * time.Second)
		events = decodeEvents(t, w.text())
		if len(events) != 2 || events[0].Object["stale"] != true || events[1].Object["stale"] != true {
			t.Errorf("after its TTL: got %v, want a Session and a BOOKMARK with stale", events)
		}
		f.Change(func() { f.Registered[0].Suspended = false; f.Statuses["prod-eu"] = reporting })
		f.report(t, "prod-eu", nil, node("n2", state.True))
		w.text()
		f.report(t, "prod-eu", nil, node("n3", state.True))
		w.expect("ADDED Node n3")
	})
}

func TestDeletedClusterEndsItsWatches(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		w := watching(t, f.api(nil), eu1+"/nodes?watch=true", nil)
		w.text()
		f.Change(func() { f.Registered = f.Registered[1:] })
		w.expect("ERROR 404 NotFound")
		if !w.ended() {
			t.Error("the stream continues, want it ended")
		}
	})
}

func TestRenamedClusterEndsWatchesOfItsOldName(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		api := f.api(nil)
		byName := watching(t, api, eu1+"/nodes?watch=true", nil)
		byIP := watching(t, api, "/api/v1/clusters/203.0.113.7/nodes?watch=true", nil)
		listWatcher := watching(t, api, listPath+"&detail=prod-eu&demand=prod-eu", nil)
		for _, w := range []*watcher{byName, byIP, listWatcher} {
			w.text()
		}
		f.Change(func() {
			f.Registered[0].Name, f.Reports["prod-europe"] = "prod-europe", f.Reports["prod-eu"]
			delete(f.Reports, "prod-eu")
		})
		for _, w := range []*watcher{byName, byIP} {
			w.expect("ERROR 404 NotFound")
			if !w.ended() {
				t.Error("a stream continues, want it ended")
			}
		}
		listWatcher.expect("prod-eu: ERROR 404 NotFound")
		<-time.After(time.Second)
		listWatcher.expect("DELETED Cluster prod-eu", "ADDED Cluster prod-europe")
		if listWatcher.ended() || f.Watching("prod-eu") != 0 {
			t.Errorf("list stream ended: %t, want false; %d watches of the old name register demand, want 0", listWatcher.ended(), f.Watching("prod-eu"))
		}
	})
}

func TestBookmarks(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		api := f.api(nil)
		without := watching(t, api, eu1+"/nodes?watch=true", nil)
		with := watching(t, api, eu1+"/nodes?watch=true&allowWatchBookmarks=true", nil)
		without.text()
		with.text()
		for range 10 {
			<-time.After(time.Second)
			f.report(t, "prod-eu", nil)
		}
		without.expect()
		with.expect("BOOKMARK", "BOOKMARK")
		f.observe("prod-eu", session.Status{Session: session.Info{Phase: session.Backoff}, Message: "refused"})
		with.expect("MODIFIED Session Backoff", "BOOKMARK")
		without.expect("MODIFIED Session Backoff")
	})
}

func TestTimeoutSecondsEndsTheStreamNormally(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		begin := time.Now()
		w := watching(t, f.api(nil), eu1+"/nodes?watch=true&timeoutSeconds=7", nil)
		w.text()
		<-w.done
		if took := time.Since(begin); took != 7*time.Second {
			t.Errorf("stream ended after %s, want 7s", took)
		}
		w.expect()
	})
}

func TestUsageModes(t *testing.T) {
	for mode, want := range map[string]string{
		"":               "[MODIFIED Usage MODIFIED Summary]",
		"&usage=events":  "[MODIFIED Usage MODIFIED Summary]",
		"&usage=objects": "[MODIFIED Node n1 MODIFIED Container app MODIFIED Summary]",
		"&usage=none":    "[MODIFIED Summary]",
	} {
		bubble(t, func(t *testing.T, f *fake) {
			w := watching(t, f.api(nil), eu1+"?watch=true"+mode, nil)
			w.text()
			v := *f.Reports["prod-eu"]
			s := *stateOf(t, &v)
			s.Seq++
			s.Usage = &state.Usage{N: 2, BySlot: []state.Used{{CPUMillis: 7, MemoryBytes: 9, SampledAt: 1_790_000_000}}}
			v.LazyState, v.Summary = wire.NewLazyState(&s), state.Summarize(&s, time.Now())
			f.Change(func() { f.Reports["prod-eu"] = &v })
			if got := fmt.Sprint(w.received()); got != want {
				t.Errorf("%q: got %s, want %s", mode, got, want)
			}
		})
	}
}

func TestSlowReaderIsDisconnectedAndOthersAreNot(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		api := f.api(nil)
		slow := watching(t, api, eu1+"/nodes?watch=true", nil)
		quick := watching(t, api, eu1+"/nodes?watch=true", nil)
		quick.text()
		slow.mu.Lock()
		slow.stuck = true
		slow.mu.Unlock()
		f.report(t, "prod-eu", nil, node("n2", state.True))
		quick.expect("ADDED Node n2")
		f.report(t, "prod-eu", nil, node("n3", state.True))
		quick.expect("ADDED Node n3")
		<-time.After(streamWriteTimeout)
		if !slow.ended() || quick.ended() {
			t.Errorf("slow stream ended: %t, want true; fast stream ended: %t, want false", slow.ended(), quick.ended())
		}
		if page := get(api, "/metrics").Body.String(); !strings.Contains(page, `rollcall_http_watch_ends_total{code="0",reason="slow"} 1`) || !strings.Contains(page, "rollcall_http_watches 1") {
			t.Error("metrics do not count the slow client")
		}
	})
}

func TestShutdownEndsWatches(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		api := f.api(nil)
		w := watching(t, api, eu1+"/nodes?watch=true", nil)
		w.text()
		api.Drain()
		w.expect("ERROR 503 ShuttingDown")
		if !w.ended() {
			t.Error("the stream continues, want it ended")
		}
	})
}

func TestOnlyGetCanWatch(t *testing.T) {
	for _, path := range []string{eu1, eu1 + "/nodes", "/api/v1/clusters"} {
		f := shop(t)
		w := do(f.api(nil), httptest.NewRequest(http.MethodHead, path+"?watch=true", nil))
		if got := string(fields(t, w.Body)["parameter"]); w.Code != 400 || got != `"watch"` || len(f.Demanded)+f.Watching("prod-eu") > 0 {
			t.Errorf("HEAD %s: got %d, parameter %s, demand %v; want 400, parameter watch, no demand", path, w.Code, got, f.Demanded)
		}
	}
}

func TestWatchIsNotCompressedOrBuffered(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		w := watching(t, f.api(nil), eu1+"?watch=true", func(r *http.Request) { r.Header.Set("Accept-Encoding", "gzip, zstd") })
		if decodeEvents(t, w.text()); w.header.Get("Content-Encoding") != "" || w.header.Get("X-Accel-Buffering") != "no" || w.flushes == 0 {
			t.Errorf("got headers %v and %d flushes, want no encoding, no buffering, and some flushes", w.header, w.flushes)
		}
	})
}

func TestParametersOfWatches(t *testing.T) {
	for query, parameter := range map[string]string{
		"watch=yes": "watch", "watch=true&watch=true": "watch", "watch=true&limit=5": "limit", "watch=true&continue=x": "continue", "watch=true&wait=usage": "wait",
		"watch=true&timeoutSeconds=0": "timeoutSeconds", "watch=true&timeoutSeconds=-1": "timeoutSeconds", "watch=true&timeoutSeconds=1e3": "timeoutSeconds", "watch=true&timeoutSeconds=999999": "timeoutSeconds",
		"watch=true&usage=all": "usage", "watch=true&allowWatchBookmarks=maybe": "allowWatchBookmarks", "watch=true&colour=red": "colour", "watch=true&demand=a": "demand",
		"watch=true&resourceVersionMatch=Exact": "resourceVersionMatch", "watch=true&resourceVersionMatch=NotOlderThan": "resourceVersionMatch",
		"watch=true&sendInitialEvents=true&resourceVersion=17.9f2c-4": "sendInitialEvents", "resourceVersion=17.9f2c-4": "resourceVersionMatch", "watch=true&state=sleeping": "state",
	} {
		f := shop(t)
		w := get(f.api(nil), eu1+"?"+query)
		if got := string(fields(t, w.Body)["parameter"]); w.Code != 400 || got != fmt.Sprintf("%q", parameter) {
			t.Errorf("%s: got %d, parameter %s; want 400, parameter %q", query, w.Code, got, parameter)
		}
		if len(f.Demanded) > 0 || f.Watching("prod-eu") > 0 {
			t.Errorf("%s: got demand by a rejected request, want none", query)
		}
	}
}

// unwrappable and opaque are ResponseWriters as a middleware would use them, with and without Unwrap.
type unwrappable struct{ http.ResponseWriter }

func (w unwrappable) Unwrap() http.ResponseWriter { return w.ResponseWriter }

type opaque struct{ http.ResponseWriter }

func (w opaque) FlushError() error { return http.NewResponseController(w.ResponseWriter).Flush() }

func TestWatchThroughAWrappedResponseWriter(t *testing.T) {
	for name, wrap := range map[string]func(http.ResponseWriter) http.ResponseWriter{
		"with Unwrap":    func(w http.ResponseWriter) http.ResponseWriter { return unwrappable{w} },
		"without Unwrap": func(w http.ResponseWriter) http.ResponseWriter { return opaque{w} },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fake) {
				api, mux := f.api(nil), http.NewServeMux()
				mux.Handle("GET /api/v1/clusters/{cluster}", api.handler("wrapped", func(w http.ResponseWriter, r *http.Request) error {
					return api.cluster(view.Whole)(wrap(w), r)
				}))
				w := watching(t, mux, eu1+"?watch=true", nil)
				w.expect("ADDED Node n1", "ADDED Pod web-1", "ADDED Container app", "ADDED Port", "ADDED Summary", "ADDED Session Reporting", "BOOKMARK initial-events-end")
				f.report(t, "prod-eu", nil, node("n2", state.True))
				w.expect("ADDED Node n2", "MODIFIED Summary")
			})
		})
	}
}
