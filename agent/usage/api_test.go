package usage

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
)

// newReader returns a Reader whose API server is handler.
func newReader(t *testing.T, handler http.HandlerFunc) *Reader {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	r, err := New(Config{REST: &rest.Config{Host: server.URL}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.closeIdle)
	return r
}

func TestReadNodesRequestsMetricsAPI(t *testing.T) {
	r := newReader(t, func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if q.URL.Path != "/apis/metrics.k8s.io/v1beta1/nodes" || q.Header.Get("Accept") != "application/json" {
			t.Errorf("got a request of %s with Accept %s", q.URL, q.Header.Get("Accept"))
		}
		fmt.Fprint(w, nodesJSON)
	})
	got, err := r.ReadNodes(t.Context())
	if err != nil || !maps.Equal(got, wantNodes) {
		t.Errorf("ReadNodes: got %v, %v; want %v", got, err, wantNodes)
	}
}

func TestErrorResponsesKeepReason(t *testing.T) {
	r := newReader(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"nodes.metrics.k8s.io is forbidden: User \"agent\" cannot list"}`)
	})
	if _, err := r.ReadNodes(t.Context()); !apierrors.IsForbidden(err) {
		t.Errorf("ReadNodes: got %v, want Forbidden", err)
	}
}

func TestServerWithoutMetricsIsNotFound(t *testing.T) {
	r := newReader(t, http.NotFound)
	if _, err := r.ReadNodes(t.Context()); !apierrors.IsNotFound(err) {
		t.Errorf("ReadNodes: got %v, want NotFound", err)
	}
}
