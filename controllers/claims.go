package controllers

import (
	"cmp"
	"net/netip"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"rollcall.dev/rollcall/api/v1alpha1"
)

// canonical is the one form of an IP address: IPv6 shortened and in lower case, an
// IPv4 address in IPv6 as IPv4.
func canonical(text string) (ip string, ok bool) {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return "", false
	}
	return addr.Unmap().String(), true
}

// claimed are the cluster IPs that a ClusterAgent claims, each once. What is no
// address, or of an object that is about to go, claims nothing.
func claimed(object client.Object) []string {
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

// registered says that a ClusterAgent counts. One that waits for a finalizer does
// not: whoever deleted it is done with it.
func registered(agent *v1alpha1.ClusterAgent) bool { return agent.DeletionTimestamp.IsZero() }

// byAge puts the older first: of two that claim one address it keeps it.
func byAge(a, b *v1alpha1.ClusterAgent) int {
	return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
}

// owners is which of the ClusterAgents has each address that any of them claims.
func owners(agents []*v1alpha1.ClusterAgent) map[string]string {
	owners := map[string]string{}
	for _, agent := range slices.SortedFunc(slices.Values(agents), byAge) {
		for _, ip := range claimed(agent) {
			if _, taken := owners[ip]; !taken {
				owners[ip] = agent.Name
			}
		}
	}
	return owners
}

// loss is an address that a ClusterAgent claims and another, older one has.
type loss struct{ ip, owner string }
