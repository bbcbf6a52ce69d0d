package usage

import (
	"log/slog"
	"testing"

	"k8s.io/client-go/rest"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/test/kube"
)

// TestRealServerWithoutMetricsServer tests that a real API server without metrics-server responds with 404 to a user
// with permissions, and with 403 to any other.
func TestRealServerWithoutMetricsServer(t *testing.T) {
	cluster := kube.Shared(t, kube.Options{Name: "without-metrics"})
	unprivileged, _, err := cluster.User("unprivileged")
	if err != nil {
		t.Fatal(err)
	}
	for reason, config := range map[string]*rest.Config{state.ReasonUnavailable: cluster.Config(), state.ReasonForbidden: unprivileged} {
		r, err := New(Config{REST: config, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer r.closeIdle()
		_, err = r.ReadNodes(t.Context())
		if err == nil || sectionError(err).Reason != reason {
			t.Errorf("ReadNodes: got %v, want an error with reason %s", err, reason)
		}
	}
}
