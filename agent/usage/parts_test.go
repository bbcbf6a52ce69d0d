package usage

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"rollcall.dev/rollcall/api/state"
)

func TestOnePartIsUsedIfTheOtherFails(t *testing.T) {
	kind := func(resource string) schema.GroupResource {
		return schema.GroupResource{Group: "metrics.k8s.io", Resource: resource}
	}
	for name, tc := range map[string]struct {
		refused string
		err     error
		texts   []string
	}{
		"pods are not served":   {"pods", apierrors.NewNotFound(kind("pods"), ""), []string{"the usage of containers is missing (that of nodes was read)", "does not serve pods", "kubectl get --raw /apis/metrics.k8s.io/v1beta1/pods"}},
		"pods are unavailable":  {"pods", apierrors.NewServiceUnavailable("no endpoints"), []string{"the usage of containers is missing (that of nodes was read)", "does not respond for pods", "no endpoints"}},
		"pods are forbidden":    {"pods", apierrors.NewForbidden(kind("pods"), "", errors.New(`User "agent" cannot list`)), []string{"the usage of containers is missing (that of nodes was read)", "the verb list on pods of metrics.k8s.io", `User "agent"`}},
		"pods fail":             {"pods", apierrors.NewInternalError(errors.New("panic")), []string{"the usage of containers is missing (that of nodes was read)", "panic"}},
		"nodes are not served":  {"nodes", apierrors.NewNotFound(kind("nodes"), ""), []string{"the usage of nodes is missing (that of containers was read)", "does not serve nodes"}},
		"nodes are unavailable": {"nodes", apierrors.NewServiceUnavailable("no endpoints"), []string{"the usage of nodes is missing (that of containers was read)", "does not respond for nodes"}},
		"nodes are forbidden":   {"nodes", apierrors.NewForbidden(kind("nodes"), "", errors.New("no")), []string{"the usage of nodes is missing (that of containers was read)", "the verb list on nodes of metrics.k8s.io"}},
	} {
		t.Run(name, func(t *testing.T) {
			runReader(t, func(t *testing.T, r *Reader, f *fakeMetrics) {
				f.errors = map[string]error{tc.refused: tc.err}
				defer r.Subscribe()()
				calls := f.advance(0)
				want := wantNodes
				if tc.refused == "nodes" {
					want = wantContainers
				}
				if len(calls.readings) != 1 || !maps.Equal(calls.readings[0], want) {
					t.Errorf("got readings %v, want %v", calls.readings, want)
				}
				got := calls.lastStatus()
				if !got.ObservedAt.Equal(time.Now()) || got.Error.Reason != state.ReasonPartial {
					t.Errorf("got status %+v, want Partial, observed now", got)
				}
				rest := got.Error.Message
				for _, text := range tc.texts {
					_, after, found := strings.Cut(rest, text)
					if !found || strings.Contains(rest, "install") {
						t.Fatalf("got message %q, want it to contain %q", got.Error.Message, text)
					}
					rest = after
				}
				if next := f.advance(15 * time.Second); next.lastStatus().Error != got.Error || !next.lastStatus().ObservedAt.Equal(time.Now()) {
					t.Errorf("a period later: got %+v, want the same error, observed now", next.lastStatus())
				}

				f.mu.Lock()
				f.errors = nil
				f.mu.Unlock()
				calls = f.advance(15 * time.Second)
				if calls.lastStatus().Error != (state.SectionError{}) || len(calls.readings[len(calls.readings)-1]) != len(wantNodes)+len(wantContainers) {
					t.Errorf("got status %+v after both can be read, want no error and a complete reading", calls.lastStatus())
				}
			})
		})
	}
}

func TestChangedErrorIsReported(t *testing.T) {
	runReader(t, func(t *testing.T, r *Reader, f *fakeMetrics) {
		none := apierrors.NewNotFound(schema.GroupResource{}, "")
		defer r.Subscribe()()
		for _, tc := range []struct {
			refusals     map[string]error
			reason, text string
		}{
			{map[string]error{"pods": none}, state.ReasonPartial, "usage of containers is missing"},
			{map[string]error{"nodes": none}, state.ReasonPartial, "usage of nodes is missing"},
			{map[string]error{"nodes": apierrors.NewServiceUnavailable("away")}, state.ReasonPartial, "does not respond for nodes"},
			{map[string]error{"nodes": none, "pods": none}, state.ReasonUnavailable, "install metrics-server"},
			{map[string]error{"nodes": none, "pods": errors.New("connection refused")}, state.ReasonDisconnected, "connection refused"},
			{nil, "", ""},
			{map[string]error{"nodes": errors.New("connection refused")}, state.ReasonDisconnected, "connection refused"},
		} {
			f.mu.Lock()
			f.errors = tc.refusals
			f.mu.Unlock()
			if got := f.advance(15 * time.Second).lastStatus().Error; got.Reason != tc.reason || !strings.Contains(got.Message, tc.text) {
				t.Errorf("errors %v: got %+v, want reason %s and a message with %q", tc.refusals, got, tc.reason, tc.text)
			}
		}
	})
}
