package usage

import (
	"log/slog"
	"testing"

	"k8s.io/client-go/rest"

	"rollcall.dev/rollcall/test/kube"
)

// A real API server without metrics-server answers 404 to a user with rights, and 403 to
// any other.
func TestRealServerWithoutMetricsServer(t *testing.T) {
	cluster := kube.Shared(t, kube.Options{Name: "without-metrics"})
	norights, _, err := cluster.User("norights")
	if err != nil {
		t.Fatal(err)
	}
	for reason, config := range map[string]*rest.Config{reasonUnavailable: cluster.Config(), reasonForbidden: norights} {
		r, err := New(Config{REST: config, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer r.closeIdle()
		_, err = r.ReadNodes(t.Context())
		if err == nil || sectionError(err).Reason != reason {
			t.Errorf("read nodes: %v, want trouble of reason %s", err, reason)
		}
	}
}
