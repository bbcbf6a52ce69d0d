package httpapi

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/view"
)

// seqOf returns the seq of a version of prod-eu, or 0 for InitialVersion.
func seqOf(t *testing.T, version string) (seq int) {
	t.Helper()
	if version == httpv1.InitialVersion {
		return 0
	}
	if n, err := fmt.Sscanf(version, "17.9f2c-%d", &seq); n != 1 {
		t.Fatalf("version %q: %v", version, err)
	}
	return seq
}

// checkVersionsIncrease fails the test if the version of an event of prod-eu is older than an earlier one.
func checkVersionsIncrease(t *testing.T, events []receivedEvent) {
	t.Helper()
	last, brief := 0, ""
	for _, e := range events {
		if e.Cluster != "" && e.Cluster != "prod-eu" || strings.Count(e.ResourceVersion, ".") == 0 && e.ResourceVersion != httpv1.InitialVersion {
			continue // an event of the list
		}
		seq := seqOf(t, e.ResourceVersion)
		if seq < last {
			t.Errorf("%s: got version %s, want one not older than %d of %s", e.brief(), e.ResourceVersion, last, brief)
		}
		last, brief = seq, e.brief()
	}
}

// TestBookmarkIsNotOlderThanEarlierEvents lets another reader load the next report while a watcher
// still gets the previous one.
func TestBookmarkIsNotOlderThanEarlierEvents(t *testing.T) {
	for name, tc := range map[string]struct {
		target string
		sse    bool
	}{
		"lines":                            {target: eu1 + "/nodes?watch=true&allowWatchBookmarks=true"},
		"server-sent events":               {target: eu1 + "/nodes?watch=true", sse: true},
		"the list's stream":                {target: listPath + "&detail=prod-eu"},
		"the list's stream, server-sent":   {target: listPath + "&detail=prod-eu", sse: true},
		"lines, all that a cluster has":    {target: eu1 + "?watch=true&allowWatchBookmarks=true"},
		"lines, without an initial state":  {target: eu1 + "?watch=true&allowWatchBookmarks=true&sendInitialEvents=false"},
		"lines, resumed behind the report": {target: eu1 + "?watch=true&allowWatchBookmarks=true&resourceVersion=17.9f2c-4"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fake) {
				api := f.api(nil)
				get(api, eu1)
				change := eventSource("")
				if !tc.sse {
					change = nil
				}
				w := watching(t, api, tc.target, change)
				var came bytes.Buffer
				came.WriteString(w.text())
				for round := range 3 {
					<-time.After(6 * time.Second) // a BOOKMARK is due with the next report
					w.inNextWrite(func() {
						f.report(t, "prod-eu", nil, node(fmt.Sprintf("late-%d", round), state.True))
						get(api, eu1)
					})
					f.report(t, "prod-eu", nil, node(fmt.Sprintf("n-%d", round), state.True))
					came.WriteString(w.text())
				}
				stream := came.String()
				if tc.sse {
					stream, _ = parseSSE(t, stream)
				}
				events := decodeEvents(t, stream)
				checkVersionsIncrease(t, events)
				if all := fmt.Sprint(briefs(events)); !strings.Contains(all, "Node late-2") || !strings.Contains(all, "BOOKMARK") {
					t.Errorf("got events %s, want late-2 and a BOOKMARK", all)
				}
			})
		})
	}
}

// TestHeartbeatBookmarkIsOfTheWatchersView checks that a heartbeat is not ahead of the watcher: a
// client that resumed from it would miss changes.
func TestHeartbeatBookmarkIsOfTheWatchersView(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		api := f.api(nil)
		d, err := api.newClusterWatch(t.Context(), "prod-eu", view.Scope{}, view.JSONLines, true)
		if err != nil {
			t.Fatal(err)
		}
		defer d.close()
		if line, err := d.heartbeat(); err != nil || line != nil {
			t.Errorf("before the first event: got %s and error %v, want none", line, err)
		}
		var came bytes.Buffer
		write := func(b []byte) error { came.Write(b); return nil }
		if err := d.sendPending(time.Now(), write); err != nil {
			t.Fatal(err)
		}
		f.report(t, "prod-eu", nil, node("n2", state.True))
		get(api, eu1) // advances the log
		line, err := d.heartbeat()
		if err != nil {
			t.Fatal(err)
		}
		events := decodeEvents(t, came.String())
		if got, want := decodeEvents(t, string(line))[0].ResourceVersion, events[len(events)-1].ResourceVersion; got != want {
			t.Errorf("got a BOOKMARK of %s, want %s, up to which the watcher got events", got, want)
		}
	})
}

// TestConcurrentReadersSeeIncreasingVersions runs watchers of all kinds and GETs at the same time.
func TestConcurrentReadersSeeIncreasingVersions(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		api := f.api(nil)
		var watchers []*watcher
		for _, target := range []string{eu1 + "?watch=true", eu1 + "/nodes?watch=true", listPath + "&detail=prod-eu"} {
			for range 8 {
				watchers = append(watchers, watching(t, api, target+"&allowWatchBookmarks=true", nil))
			}
		}
		for i := range 60 {
			<-time.After(700 * time.Millisecond)
			go get(api, eu1+"/nodes")
			f.report(t, "prod-eu", nil, node(fmt.Sprint("n-", i%7), state.Tristate(1+i%2)))
			go get(api, eu1)
		}
		synctest.Wait()
		for _, w := range watchers {
			checkVersionsIncrease(t, decodeEvents(t, w.text()))
		}
	})
}

// TestListAndWatchMissNoCluster registers a cluster while the list is being built.
func TestListAndWatchMissNoCluster(t *testing.T) {
	for listed := range 3 { // before the first, second or third look at the Registry
		bubble(t, func(t *testing.T, f *fake) {
			looks := 0
			f.ListFunc = func() {
				if looks++; looks == listed+1 {
					f.Change(func() { f.Registered = append(f.Registered, session.Registered{Name: "new"}) })
				}
			}
			api := f.api(nil)
			list := fields(t, get(api, "/api/v1/clusters").Body)
			version := strings.Trim(string(list["resourceVersion"]), `"`)
			w := watching(t, api, listPath+"&resourceVersion="+version, nil)
			text := w.text()
			<-time.After(2 * time.Second)
			text += w.text()
			if !strings.Contains(string(list["clusters"]), `"new"`) && !strings.Contains(text, `"new"`) {
				t.Errorf("registered before status call %d: got the cluster neither in the list nor in the watch, want it in one of them", listed+1)
			}
		})
	}
}
