package session

import (
	"strings"
	"testing"
	"time"

	"rollcall.dev/rollcall/master/session/dial"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestMetrics(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		m.addCluster("a")
		m.register("b")
		m.addClusterWithHandler("c", func(c *agentConn) { c.receive() })
		m.addCluster("d", func(c *Cluster) { c.IdleRefresh = time.Hour })
		m.get("a")
		m.get("a")
		m.wantUnreachable("b", dial.DialFailed)
		go func() { _, _ = m.await("c", time.Second) }()
		m.advance(0)
		m.advance(200 * time.Millisecond)
		if err := testutil.GatherAndCompare(m.metrics, strings.NewReader(`
# HELP rollcall_cache_requests_total Requests for a cluster's report by result: hit (in memory), stored (loaded from the store), miss (waited for a report), or failed.
# TYPE rollcall_cache_requests_total counter
rollcall_cache_requests_total{result="failed"} 1
rollcall_cache_requests_total{result="hit"} 1
rollcall_cache_requests_total{result="miss"} 1
# HELP rollcall_dials_total Dials of agents, by purpose (session or summary) and outcome: succeeded, given up, or the reason of the failure.
# TYPE rollcall_dials_total counter
rollcall_dials_total{outcome="DialFailed",purpose="session"} 1
rollcall_dials_total{outcome="succeeded",purpose="session"} 1
rollcall_dials_total{outcome="succeeded",purpose="summary"} 1
# HELP rollcall_oldest_report_age_seconds Age of the oldest report that may still be served, across all clusters. It has no label for the cluster, since readers of metrics may not have access to every cluster.
# TYPE rollcall_oldest_report_age_seconds gauge
rollcall_oldest_report_age_seconds 0.2
# HELP rollcall_queue_length Waiting work: handshakes (session starts), decode (snapshots that wait for a processor), store_loads (lookups in the cache), events (clusters with a change to reconcile).
# TYPE rollcall_queue_length gauge
rollcall_queue_length{queue="decode"} 0
rollcall_queue_length{queue="events"} 4
rollcall_queue_length{queue="handshakes"} 0
rollcall_queue_length{queue="store_loads"} 0
# HELP rollcall_sessions Clusters by the phase of their session.
# TYPE rollcall_sessions gauge
rollcall_sessions{phase="Backoff"} 1
rollcall_sessions{phase="Connecting"} 1
rollcall_sessions{phase="Idle"} 1
rollcall_sessions{phase="Reporting"} 1
# HELP rollcall_waiting_readers Requests that wait for a report.
# TYPE rollcall_waiting_readers gauge
rollcall_waiting_readers 1
`), "rollcall_cache_requests_total", "rollcall_dials_total", "rollcall_queue_length", "rollcall_oldest_report_age_seconds", "rollcall_sessions", "rollcall_waiting_readers"); err != nil {
			t.Error(err)
		}
		if received := testutil.ToFloat64(m.sessions.metrics.received); received == 0 {
			t.Error("no bytes were counted")
		}
	})
}
