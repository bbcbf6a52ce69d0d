package usage

import (
	"log/slog"
	"testing"

	"k8s.io/client-go/rest"

	"rollcall.dev/rollcall/test/kube"
)

// A real API server without metrics-server answers one that may ask with 404, and
// anyone else with 403.
func TestRealServerWithoutMetricsIsTold(t *testing.T) {
	cluster := kube.Shared(t, kube.Options{Name: "without-metrics"})
	stranger, _, err := cluster.User("stranger")
	if err != nil {
		t.Fatal(err)
	}
	for reason, config := range map[string]*rest.Config{reasonUnavailable: cluster.Config(), reasonForbidden: stranger} {
		r, err := New(Config{REST: config, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer r.hangUp()
		_, err = r.ReadNodes(t.Context())
		if err == nil || troubleOf(err).Reason != reason {
			t.Errorf("read nodes: %v, want trouble of reason %s", err, reason)
		}
	}
}
