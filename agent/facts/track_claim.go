package facts

import (
	"slices"

	"rollcall.dev/rollcall/api/state"
)

// claimRecord is a claim that is there, or that pods mount.
type claimRecord struct {
	// fact is the claim itself, nil while it is not there.
	fact     []state.Object
	capacity int64
	pods     []*podRecord
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
	t.deleteClaim(id{namespace, name})
	return t.flush()
}

// RetainClaims removes all PersistentVolumeClaims but these.
func (t *Tracker) RetainClaims(these []Name) state.Changes {
	retain(these, Name.id, t.claims, t.deleteClaim)
	return t.flush()
}

func (t *Tracker) setClaim(in *ClaimInput) {
	name := id{in.Namespace, in.Name}
	c := t.claim(name)
	c.fact = t.changes.replace(c.fact, []state.Object{claimFact(in)})
	t.setCapacity(c, in.CapacityBytes)
}

func (t *Tracker) deleteClaim(name id) {
	if c := t.claims[name]; c != nil {
		c.fact = t.changes.replace(c.fact, nil)
		t.setCapacity(c, 0)
		t.forgetClaim(name, c)
	}
}

// claim returns the record of a claim, creating it if necessary.
func (t *Tracker) claim(name id) *claimRecord {
	c := t.claims[name]
	if c == nil {
		c = &claimRecord{}
		t.claims[name] = c
	}
	return c
}

// forgetClaim drops a claim that is neither there nor mounted.
func (t *Tracker) forgetClaim(name id, c *claimRecord) {
	if len(c.fact) == 0 && len(c.pods) == 0 {
		delete(t.claims, name)
	}
}

func (t *Tracker) setCapacity(c *claimRecord, capacity int64) {
	if c.capacity == capacity {
		return
	}
	c.capacity = capacity
	for _, p := range c.pods {
		if !p.touched {
			p.touched = true
			t.touchedPods = append(t.touchedPods, p)
		}
	}
}

// capacities looks up the claims of a namespace; what is not known is 0.
func (t *Tracker) capacities(namespace string) func(claim string) int64 {
	return func(claim string) int64 {
		if c := t.claims[id{namespace, claim}]; c != nil {
			return c.capacity
		}
		return 0
	}
}

// remount updates the capacities of a pod's claims.
func (t *Tracker) remount(p *podRecord) {
	p.touched = false
	fresh := slices.Clone(p.facts)
	pod := p.pod()
	fresh[0] = remounted(pod, t.capacities(pod.Namespace))
	p.facts = t.changes.replace(p.facts, fresh)
}

// moveMounts updates the index of the pods that mount each claim.
func (t *Tracker) moveMounts(p *podRecord, before, after *state.Pod) {
	for name := range claimsOf(before) {
		c := t.claims[name]
		c.pods = slices.DeleteFunc(c.pods, func(other *podRecord) bool { return other == p })
		t.forgetClaim(name, c)
	}
	for name := range claimsOf(after) {
		c := t.claim(name)
		c.pods = append(c.pods, p)
	}
}

func claimFact(in *ClaimInput) *state.Claim {
	return &state.Claim{
		Namespace: in.Namespace, Name: in.Name, Phase: in.Phase, StorageClass: in.StorageClass, VolumeMode: in.VolumeMode, Volume: in.Volume,
		RequestedBytes: in.RequestedBytes, CapacityBytes: in.CapacityBytes, CreatedAt: in.CreatedAt,
	}
}
