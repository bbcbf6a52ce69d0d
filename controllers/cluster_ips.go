package controllers

import (
	"cmp"
	"net/netip"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"rollcall.dev/rollcall/api/v1alpha1"
)

// canonical returns the canonical form of an IP address: IPv6 shortened and in lower case, and an
// IPv4 address mapped to IPv6 as IPv4. ok is false for other texts.
func canonical(text string) (ip string, ok bool) {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return "", false
	}
	return addr.Unmap().String(), true
}

// claimedIPs returns the canonical cluster IPs of a ClusterAgent, without duplicates and invalid
// addresses. It returns none for an object that is being deleted.
func claimedIPs(object client.Object) []string {
	agent := object.(*v1alpha1.ClusterAgent)
	if !registered(agent) {
		return nil
	}
	var ips []string
	for _, text := range agent.Spec.ClusterIPs {
		if ip, ok := canonical(text); ok && !slices.Contains(ips, ip) {
			ips = append(ips, ip)
		}
	}
	return ips
}

// registered reports whether a ClusterAgent counts as a registered cluster, which it does not
// while it is being deleted.
func registered(agent *v1alpha1.ClusterAgent) bool { return agent.DeletionTimestamp.IsZero() }

// byAge sorts the older first, which keeps a contested address.
func byAge(a, b *v1alpha1.ClusterAgent) int {
	return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
}

// owners returns the owner of each cluster IP among agents.
func owners(agents []*v1alpha1.ClusterAgent) map[string]string {
	owners := map[string]string{}
	for _, agent := range slices.SortedFunc(slices.Values(agents), byAge) {
		for _, ip := range claimedIPs(agent) {
			if _, taken := owners[ip]; !taken {
				owners[ip] = agent.Name
			}
		}
	}
	return owners
}

// ipConflict is a cluster IP that an older ClusterAgent owns.
type ipConflict struct{ ip, owner string }
