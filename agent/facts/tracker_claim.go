package facts

import (
	"slices"

	"rollcall.dev/rollcall/api/state"
)

// claimRecord holds a claim that exists or that pods mount.
type claimRecord struct {
	// facts has the fact of the claim. It is empty if the claim does not exist.
	facts    []state.Object
	capacity int64
	// pods are the pods that mount the claim.
	pods []*podRecord
}

// SetClaim adds or updates PersistentVolumeClaims.
func (t *Tracker) SetClaim(all ...*ClaimInput) state.Changes {
	for _, in := range all {
		t.setClaim(in)
	}
	return t.flush()
}

// DeleteClaim removes a PersistentVolumeClaim.
func (t *Tracker) DeleteClaim(namespace, name string) state.Changes {
	t.deleteClaim(NamespacedName{namespace, name})
	return t.flush()
}

// RetainClaims removes all PersistentVolumeClaims of a namespace except the named ones. The namespace "" stands for all.
func (t *Tracker) RetainClaims(namespace string, names []NamespacedName) state.Changes {
	retainInNamespace(namespace, names, t.claims, t.deleteClaim)
	return t.flush()
}

func (t *Tracker) setClaim(in *ClaimInput) {
	name := NamespacedName{in.Namespace, in.Name}
	c := t.claimRecord(name)
	c.facts = t.changes.replace(c.facts, []state.Object{newClaim(in)})
	t.setCapacity(c, in.CapacityBytes)
}

func (t *Tracker) deleteClaim(name NamespacedName) {
	if c := t.claims[name]; c != nil {
		c.facts = t.changes.replace(c.facts, nil)
		t.setCapacity(c, 0)
		t.deleteUnusedClaim(name, c)
	}
}

// claimRecord returns the record of a claim. It creates the record if there is none.
func (t *Tracker) claimRecord(name NamespacedName) *claimRecord {
	c := t.claims[name]
	if c == nil {
		c = &claimRecord{}
		t.claims[name] = c
	}
	return c
}

// deleteUnusedClaim deletes the record of a claim that neither exists nor is mounted.
func (t *Tracker) deleteUnusedClaim(name NamespacedName, c *claimRecord) {
	if len(c.facts) == 0 && len(c.pods) == 0 {
		delete(t.claims, name)
	}
}

// setCapacity sets the capacity of a claim and marks the pods that mount it as dirty if it changed.
func (t *Tracker) setCapacity(c *claimRecord, capacity int64) {
	if c.capacity == capacity {
		return
	}
	c.capacity = capacity
	for _, p := range c.pods {
		if !p.dirty {
			p.dirty = true
			t.dirtyPods = append(t.dirtyPods, p)
		}
	}
}

// capacityOf returns a function that returns the capacity of a claim in a namespace, or 0 if it is unknown.
func (t *Tracker) capacityOf(namespace string) func(claim string) int64 {
	return func(claim string) int64 {
		if c := t.claims[NamespacedName{namespace, claim}]; c != nil {
			return c.capacity
		}
		return 0
	}
}

// recomputeCapacities updates the capacities of the claims in a pod's fact.
func (t *Tracker) recomputeCapacities(p *podRecord) {
	p.dirty = false
	next := slices.Clone(p.facts)
	pod := p.pod()
	next[0] = withCapacities(pod, t.capacityOf(pod.Namespace))
	p.facts = t.changes.replace(p.facts, next)
}

// indexClaims updates claimRecord.pods after the fact of a pod changed. before and after may be nil.
func (t *Tracker) indexClaims(p *podRecord, before, after *state.Pod) {
	for name := range claimsOf(before) {
		c := t.claims[name]
		c.pods = slices.DeleteFunc(c.pods, func(other *podRecord) bool { return other == p })
		t.deleteUnusedClaim(name, c)
	}
	for name := range claimsOf(after) {
		c := t.claimRecord(name)
		c.pods = append(c.pods, p)
	}
}

// newClaim returns the fact of a PersistentVolumeClaim.
func newClaim(in *ClaimInput) *state.Claim {
	return &state.Claim{
		Namespace: in.Namespace, Name: in.Name, Phase: in.Phase, StorageClass: in.StorageClass, VolumeMode: in.VolumeMode, Volume: in.Volume,
		RequestedBytes: in.RequestedBytes, CapacityBytes: in.CapacityBytes, CreatedAt: in.CreatedAt,
	}
}
