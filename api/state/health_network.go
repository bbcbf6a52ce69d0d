package state

import (
	"fmt"
	"slices"
	"time"
)

// storage adds findings for claims that are pending or have lost their volume, and for volumes
// that are unavailable.
func (e *evaluator) storage() {
	var mounted map[podID]bool
	for c := range e.state.Claims() {
		if c.Phase == ClaimBound {
			continue
		}
		if mounted == nil {
			mounted = e.mountedClaims()
		}
		e.claim(c, mounted[podID{c.Namespace, c.Name}])
	}
	for v := range e.state.PersistentVolumes() {
		if v.Phase == VolumePending || v.Phase == VolumeFailed {
			e.add(finding{
				Problem: Problem{
					Severity: SeverityCritical, Kind: "PersistentVolume", What: v.Phase.String(), Where: v.Name, Since: v.PhaseSince, Count: 1, Message: v.Message,
				},
				threshold: volumeThreshold, namespace: v.ClaimNamespace,
			})
		}
	}
}

// mountedClaims returns the namespaces and names of the claims that unfinished pods mount.
func (e *evaluator) mountedClaims() map[podID]bool {
	mounted := map[podID]bool{}
	for p := range e.state.Pods() {
		if p.Phase.Finished() {
			continue
		}
		for _, v := range p.Storage {
			mounted[podID{p.Namespace, v.Claim}] = true
		}
	}
	return mounted
}

func (e *evaluator) claim(c *Claim, mounted bool) {
	f := finding{
		Problem: Problem{
			Severity: SeverityWarning, Kind: "PersistentVolumeClaim", What: c.Phase.String(), Where: c.Namespace + "/" + c.Name, Since: c.CreatedAt, Count: 1,
			Message: "the claim is not bound to a volume, and a pod mounts it",
		},
		threshold: claimThreshold, namespace: c.Namespace,
	}
	switch {
	case c.Phase == ClaimLost:
		f.Message = fmt.Sprintf("the bound volume %s no longer exists", c.Volume)
	case !mounted:
		f.Severity, f.Message = SeverityInfo, "the claim is not bound to a volume, and no pod mounts it"
	}
	e.add(f)
}

// services adds findings for Services without pods, endpoints or an address.
func (e *evaluator) services() {
	for s := range e.state.Services() {
		problem := func(severity Severity, what string, since Time, message string) {
			e.add(finding{
				Problem:   Problem{Severity: severity, Kind: "Service", What: what, Where: s.Namespace + "/" + s.Name, Since: since, Count: 1, Message: message},
				threshold: serviceThreshold, namespace: s.Namespace,
			})
		}
		exposed := s.Type == ServiceNodePort || s.Type == ServiceLoadBalancer
		if s.NoPodsSince != 0 {
			problem(SeverityInfo, WhatNoPods, s.NoPodsSince, "the selector matches no pod")
		}
		if exposed && s.NoEndpointsSince != 0 {
			problem(SeverityWarning, WhatNoEndpoints, s.NoEndpointsSince, "the selector matches pods, but none is ready")
		}
		if s.NoAddressSince != 0 {
			problem(SeverityWarning, WhatNoAddress, s.NoAddressSince, "the load balancer has no address; see the events of the Service")
		}
	}
}

// conflictGroups returns the conflicting rows in sets that are connected by conflicts. Sets and
// rows are in key order.
func conflictGroups(s *State, conflicts map[*Port][]PortKey) [][]*Port {
	byKey := make(map[PortKey]*Port, len(conflicts))
	for p := range conflicts {
		byKey[portKeyOf(p)] = p
	}
	// A row lists only some of its conflicts, so the sets are found with a union-find.
	parents := make(map[*Port]*Port, len(conflicts))
	root := func(p *Port) *Port {
		for parents[p] != nil {
			if next := parents[parents[p]]; next != nil {
				parents[p] = next
			}
			p = parents[p]
		}
		return p
	}
	for p, others := range conflicts {
		for _, k := range others {
			if other := byKey[k]; other != nil {
				if a, b := root(p), root(other); a != b {
					parents[a] = b
				}
			}
		}
	}
	var groups [][]*Port
	at := make(map[*Port]int, len(conflicts))
	for p := range s.Ports() {
		if conflicts[p] == nil {
			continue
		}
		first := root(p)
		i, ok := at[first]
		if !ok {
			i = len(groups)
			at[first], groups = i, append(groups, nil)
		}
		groups[i] = append(groups[i], p)
	}
	return groups
}

// onlyVirtualAddresses reports whether the rows only share an address of a load balancer or an
// external IP of one Service with host ports, which is common on bare metal. Two Services or two
// pods that claim the same port are a real conflict.
func onlyVirtualAddresses(claimants []*Port) bool {
	const maxClaimants = 256 // all pairs are compared
	claimants = claimants[:min(len(claimants), maxClaimants)]
	virtual := func(p *Port) bool { return p.Kind == LoadBalancer || p.Kind == ExternalIP }
	for i, a := range claimants {
		for _, b := range claimants[i+1:] {
			if sameOwner(a, b) || virtual(a) != virtual(b) || a.Node != b.Node && a.Node != AllNodes && b.Node != AllNodes || !addressesOverlap(a, b) {
				continue
			}
			return false
		}
	}
	return slices.ContainsFunc(claimants, virtual)
}

// expired reports whether the health of a Summary may have changed by the passing of time.
func (sum *Summary) expired(now time.Time) bool {
	return !sum.NextEvaluation.IsZero() && !now.Before(sum.NextEvaluation)
}
