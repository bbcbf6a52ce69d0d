package state

import (
	"fmt"
	"slices"
	"time"
)

// storage adds claims that stay pending or have lost their volume, and volumes that
// cannot be had.
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
				patience: volumePatience, namespace: v.ClaimNamespace,
			})
		}
	}
}

// mountedClaims returns the claims that unfinished pods mount.
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
			Message: "no volume is bound to the claim, and a pod waits for it",
		},
		patience: claimPatience, namespace: c.Namespace,
	}
	switch {
	case c.Phase == ClaimLost:
		f.Message = fmt.Sprintf("the volume %s that the claim was bound to is gone", c.Volume)
	case !mounted:
		f.Severity, f.Message = SeverityInfo, "no volume is bound to the claim, and no pod mounts it"
	}
	e.add(f)
}

// services adds Services that nothing stands behind.
func (e *evaluator) services() {
	for s := range e.state.Services() {
		problem := func(severity Severity, what string, since Time, message string) {
			e.add(finding{
				Problem:  Problem{Severity: severity, Kind: "Service", What: what, Where: s.Namespace + "/" + s.Name, Since: since, Count: 1, Message: message},
				patience: servicePatience, namespace: s.Namespace,
			})
		}
		exposed := s.Type == ServiceNodePort || s.Type == ServiceLoadBalancer
		if s.NoPodsSince != 0 {
			problem(SeverityInfo, WhatNoPods, s.NoPodsSince, "its selector matches no pod")
		}
		if exposed && s.NoEndpointsSince != 0 {
			problem(SeverityWarning, WhatNoEndpoints, s.NoEndpointsSince, "pods match its selector, and none of them is ready")
		}
		if s.NoAddressSince != 0 {
			problem(SeverityWarning, WhatNoAddress, s.NoAddressSince, "its load balancer has no address; look at the events of the Service")
		}
	}
}

// conflictGroups returns the rows that cannot all have their port, together where each
// conflicts with another of the group. Groups and rows are in key order.
func conflictGroups(s *State, conflicts map[*Port][]PortKey) [][]*Port {
	byKey := make(map[PortKey]*Port, len(conflicts))
	for p := range conflicts {
		byKey[portKeyOf(p)] = p
	}
	var groups [][]*Port
	seen := make(map[*Port]bool, len(conflicts))
	for first := range s.Ports() {
		if conflicts[first] == nil || seen[first] {
			continue
		}
		seen[first] = true
		members := []*Port{first}
		for i := 0; i < len(members); i++ {
			for _, k := range conflicts[members[i]] {
				if p := byKey[k]; !seen[p] {
					seen[p] = true
					members = append(members, p)
				}
			}
		}
		slices.SortFunc(members, func(a, b *Port) int { return a.Key().Compare(b.Key()) })
		groups = append(groups, members)
	}
	return groups
}

// onlyVirtualAddresses reports whether what the claimants share is the address of a load
// balancer or an external IP of one Service, and host ports: a common set-up on bare
// metal. Two Services, or two pods that want the same port of a node, are another thing.
func onlyVirtualAddresses(claimants []*Port) bool {
	virtual := func(p *Port) bool { return p.Kind == LoadBalancer || p.Kind == ExternalIP }
	for i, a := range claimants {
		for _, b := range claimants[i+1:] {
			if sameHolder(a, b) || virtual(a) != virtual(b) || a.Node != b.Node && a.Node != AllNodes && b.Node != AllNodes || !addressesMeet(a, b) {
				continue
			}
			return false
		}
	}
	return slices.ContainsFunc(claimants, virtual)
}

// expired reports whether time alone may have changed the health of a Summary.
func (sum *Summary) expired(now time.Time) bool {
	return !sum.NextEvaluation.IsZero() && !now.Before(sum.NextEvaluation)
}
