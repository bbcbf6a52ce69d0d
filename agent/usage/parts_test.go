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

func TestRefusedPartDoesNotHideTheOther(t *testing.T) {
	kind := func(resource string) schema.GroupResource {
		return schema.GroupResource{Group: "metrics.k8s.io", Resource: resource}
	}
	for name, tc := range map[string]struct {
		refused string
		err     error
		words   []string
	}{
		"pods are not served":  {"pods", apierrors.NewNotFound(kind("pods"), ""), []string{"the usage of containers is missing (that of nodes was read)", "does not serve pods", "kubectl get --raw /apis/metrics.k8s.io/v1beta1/pods"}},
		"pods do not answer":   {"pods", apierrors.NewServiceUnavailable("no endpoints"), []string{"the usage of containers is missing (that of nodes was read)", "does not answer for pods", "no endpoints"}},
		"pods are forbidden":   {"pods", apierrors.NewForbidden(kind("pods"), "", errors.New(`User "agent" cannot list`)), []string{"the usage of containers is missing (that of nodes was read)", "the verb list on pods of metrics.k8s.io", `User "agent"`}},
		"pods fail":            {"pods", apierrors.NewInternalError(errors.New("panic")), []string{"the usage of containers is missing (that of nodes was read)", "panic"}},
		"nodes are not served": {"nodes", apierrors.NewNotFound(kind("nodes"), ""), []string{"the usage of nodes is missing (that of containers was read)", "does not serve nodes"}},
		"nodes do not answer":  {"nodes", apierrors.NewServiceUnavailable("no endpoints"), []string{"the usage of nodes is missing (that of containers was read)", "does not answer for nodes"}},
		"nodes are forbidden":  {"nodes", apierrors.NewForbidden(kind("nodes"), "", errors.New("no")), []string{"the usage of nodes is missing (that of containers was read)", "the verb list on nodes of metrics.k8s.io"}},
	} {
		t.Run(name, func(t *testing.T) {
			reading(t, func(t *testing.T, r *Reader, f *fakeMetrics) {
				f.refusals = map[string]error{tc.refused: tc.err}
				defer r.Subscribe()()
				saw := f.after(0)
				want := wantNodes
				if tc.refused == "nodes" {
					want = wantContainers
				}
				if len(saw.samples) != 1 || !maps.Equal(saw.samples[0], want) {
					t.Errorf("samples %v, want %v", saw.samples, want)
				}
				got := saw.last()
				if !got.ObservedAt.Equal(time.Now()) || got.Error.Reason != reasonPartial {
					t.Errorf("report %+v, want a partial one of now", got)
				}
				rest := got.Error.Message
				for _, words := range tc.words {
					_, after, found := strings.Cut(rest, words)
					if !found || strings.Contains(rest, "install") {
						t.Fatalf("it says %q, want %q", got.Error.Message, words)
					}
					rest = after
				}
				if again := f.after(15 * time.Second); again.last().Error != got.Error || !again.last().ObservedAt.Equal(time.Now()) {
					t.Errorf("a period later: %+v", again.last())
				}

				f.mu.Lock()
				f.refusals = nil
				f.mu.Unlock()
				saw = f.after(15 * time.Second)
				if saw.last().Error != (state.SectionError{}) || len(saw.samples[len(saw.samples)-1]) != len(wantNodes)+len(wantContainers) {
					t.Errorf("report %+v once all is there", saw.last())
				}
			})
		})
	}
}

func TestChangeOfTheMissingPartIsReported(t *testing.T) {
	reading(t, func(t *testing.T, r *Reader, f *fakeMetrics) {
		none := apierrors.NewNotFound(schema.GroupResource{}, "")
		defer r.Subscribe()()
		for _, tc := range []struct {
			refusals      map[string]error
			reason, words string
		}{
			{map[string]error{"pods": none}, reasonPartial, "usage of containers is missing"},
			{map[string]error{"nodes": none}, reasonPartial, "usage of nodes is missing"},
			{map[string]error{"nodes": apierrors.NewServiceUnavailable("away")}, reasonPartial, "does not answer for nodes"},
			{map[string]error{"nodes": none, "pods": none}, reasonUnavailable, "install metrics-server"},
			{map[string]error{"nodes": none, "pods": errors.New("connection refused")}, reasonDisconnected, "connection refused"},
			{nil, "", ""},
			{map[string]error{"nodes": errors.New("connection refused")}, reasonDisconnected, "connection refused"},
		} {
			f.mu.Lock()
			f.refusals = tc.refusals
			f.mu.Unlock()
			if got := f.after(15 * time.Second).last().Error; got.Reason != tc.reason || !strings.Contains(got.Message, tc.words) {
				t.Errorf("with %v: %+v, want %s and %q", tc.refusals, got, tc.reason, tc.words)
			}
		}
	})
}
