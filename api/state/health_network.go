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
	// A row is told some others only, and not all of them are told it.
	leads := make(map[*Port]*Port, len(conflicts))
	leader := func(p *Port) *Port {
		for leads[p] != nil {
			if next := leads[leads[p]]; next != nil {
				leads[p] = next
			}
			p = leads[p]
		}
		return p
	}
	for p, others := range conflicts {
		for _, k := range others {
			if other := byKey[k]; other != nil {
				if a, b := leader(p), leader(other); a != b {
					leads[a] = b
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
		first := leader(p)
		i, ok := at[first]
		if !ok {
			i = len(groups)
			at[first], groups = i, append(groups, nil)
		}
		groups[i] = append(groups[i], p)
	}
	return groups
}

// onlyVirtualAddresses reports whether what the claimants share is the address of a load
// balancer or an external IP of one Service, and host ports: a common set-up on bare
// metal. Two Services, or two pods that want the same port of a node, are another thing.
func onlyVirtualAddresses(claimants []*Port) bool {
	const most = 256 // each is compared with each
	claimants = claimants[:min(len(claimants), most)]
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
