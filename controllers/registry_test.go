package controllers

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"rollcall.dev/rollcall/api/v1alpha1"
	"rollcall.dev/rollcall/master/session"
)

// registryReads calls each method of a Registry, and returns its error by the name of the method.
func registryReads(r *Registry, cluster, ip, key string) map[string]error {
	reads := map[string]error{}
	_, reads["Cluster"] = r.Cluster(cluster)
	_, reads["Resolve a name"] = r.Resolve(cluster)
	_, reads["Resolve an address"] = r.Resolve(ip)
	_, reads["ClusterOfKey"] = r.ClusterOfKey(key)
	_, reads["StoredStatus"] = r.StoredStatus(cluster)
	_, reads["List"] = r.List()
	_, reads["Names"] = r.Names()
	return reads
}

func TestRegistryErrors(t *testing.T) {
	h := newAgentHarness(t)
	for name, err := range registryReads(h.sessions.registry, "unknown", "192.0.2.1", "no key") {
		if all := name == "List" || name == "Names"; all && err != nil || !all && !errors.Is(err, session.ErrNotFound) {
			t.Errorf("%s of an unknown cluster: got error %v, want %v or none for all clusters", name, err, session.ErrNotFound)
		}
	}
	h.readErr = errors.New("the cache is broken")
	for name, err := range registryReads(h.sessions.registry, "prod-eu", "203.0.113.7", "key") {
		if !errors.Is(err, session.ErrRegistryUnavailable) || !errors.Is(err, h.readErr) || errors.Is(err, session.ErrNotFound) {
			t.Errorf("%s: got error %v, want %v with the cause", name, err, session.ErrRegistryUnavailable)
		}
	}
}

// TestUnreadableRegistryIsNotADeletion lets the registry fail while a ClusterAgent is new, changed and deleted. The
// sessions get each change when the registry can be read again.
func TestUnreadableRegistryIsNotADeletion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newAgentHarness(t)
		outage := func(when string) {
			t.Helper()
			before := h.sessions.syncedGenerations(t, "prod-eu")
			h.readErr = errors.New("the cache is broken")
			if _, err := h.reconciler.Reconcile(t.Context(), requestFor("prod-eu")); !errors.Is(err, h.readErr) {
				t.Errorf("%s: got error %v, want %v", when, err, h.readErr)
			}
			if got := h.sessions.syncedGenerations(t, "prod-eu"); !slices.Equal(got, before) {
				t.Errorf("%s: got the generations %v, want %v", when, got, before)
			}
			h.readErr = nil
			h.reconcile()
		}
		outage("new")
		h.change(func(s *v1alpha1.ClusterAgentSpec) { s.Suspend = true })
		outage("changed")
		if err := h.client.Delete(t.Context(), agentOf("prod-eu", 0)); err != nil {
			t.Fatal(err)
		}
		outage("deleted")
		if got, want := h.sessions.syncedGenerations(t, "prod-eu"), []int64{1, 2, 0}; !slices.Equal(got, want) {
			t.Errorf("got the generations %v, want %v", got, want)
		}
	})
}
