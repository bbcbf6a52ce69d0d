package state

import (
	"fmt"
	"iter"
	"slices"
	"time"
)

// SectionName names a part of the facts that has a freshness of its own.
type SectionName uint8

const (
	SectionNodes SectionName = iota
	SectionPods
	// SectionNetwork is Services and EndpointSlices.
	SectionNetwork
	// SectionStorage is PersistentVolumeClaims and PersistentVolumes.
	SectionStorage
	// SectionUsage is metrics.k8s.io.
	SectionUsage
	// NumSections is how many sections there are; they are numbered from 0.
	NumSections
)

var sectionNames = []string{"nodes", "pods", "network", "storage", "usage"}

func (s SectionName) String() string {
	if s >= NumSections {
		return "unknown"
	}
	return sectionNames[s]
}

func (s SectionName) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a section's name. One that is not known, of a newer peer's list,
// is NumSections: there is no zero to be had for it.
func (s *SectionName) UnmarshalText(b []byte) error {
	*s = NumSections
	if i := slices.Index(sectionNames, string(b)); i >= 0 {
		*s = SectionName(i) //nolint:gosec // i is an index of sectionNames
	}
	return nil
}

// Section is how fresh one part of the facts is.
type Section struct {
	// ObservedAt is until when the facts were known to be true; zero: never yet.
	ObservedAt time.Time
	// Error says what keeps the section from being fresh; its zero value: nothing.
	Error SectionError
}

// SectionError is why a section is old or has no data.
type SectionError struct {
	// Reason is a word for programs: Pending, Unavailable, Forbidden, Disconnected, …
	Reason string `json:"reason"`
	// Message is for people, and tells what to do.
	Message string `json:"message,omitempty"`
}

// State is everything known of one cluster at one seq of one epoch. Its zero
// value is empty. A published State is never mutated.
type State struct {
	// Epoch is drawn anew by each agent process; it is compared for equality only.
	Epoch uint64
	// Seq counts the changes within the epoch: of objects, and of usage and
	// section errors as one each.
	Seq      uint64
	Usage    *Usage
	Sections [NumSections]Section

	contents contents
}

// Len is the number of objects of a kind.
func (s *State) Len(kind Kind) int { return s.contents.len(kind) }

// Count is the number of objects of all kinds, as a bookmark has it.
func (s *State) Count() int {
	n := 0
	for kind := range NumKinds {
		n += s.contents.len(kind)
	}
	return n
}

// Get is the entry under a key.
func (s *State) Get(k Key) (Entry, bool) { return s.contents.table(k.Kind).get(k) }

// Entries yields all entries of a kind in key order.
func (s *State) Entries(kind Kind) iter.Seq[Entry] { return s.contents.table(kind).all() }

// From yields the entries of k's kind at or after k in key order.
func (s *State) From(k Key) iter.Seq[Entry] { return s.contents.table(k.Kind).from(k) }

// ChangedSince yields the entries of all kinds whose seq is above since, kind by
// kind and in key order.
func (s *State) ChangedSince(since uint64) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for kind := range NumKinds {
			for e := range s.contents.table(kind).changedSince(since, false) {
				if !yield(e) {
					return
				}
			}
		}
	}
}

func (s *State) Nodes() iter.Seq[*Node]           { return objects[*Node](s, KindNode) }
func (s *State) Pods() iter.Seq[*Pod]             { return objects[*Pod](s, KindPod) }
func (s *State) Containers() iter.Seq[*Container] { return objects[*Container](s, KindContainer) }
func (s *State) Ports() iter.Seq[*Port]           { return objects[*Port](s, KindPort) }
func (s *State) Services() iter.Seq[*Service]     { return objects[*Service](s, KindService) }
func (s *State) Claims() iter.Seq[*Claim]         { return objects[*Claim](s, KindClaim) }

func (s *State) PersistentVolumes() iter.Seq[*PersistentVolume] {
	return objects[*PersistentVolume](s, KindPersistentVolume)
}

// Load is what a node's pods take of it, nil where that is not known.
func (s *State) Load(node string) *NodeLoad {
	e, ok := s.Get(Key{Kind: KindNodeLoad, Name: node})
	if !ok {
		return nil
	}
	return e.Object.(*NodeLoad)
}

// ContainersOf yields the containers of one pod.
func (s *State) ContainersOf(namespace, pod string) iter.Seq[*Container] {
	return func(yield func(*Container) bool) {
		for e := range s.From(Key{Kind: KindContainer, Namespace: namespace, Name: pod}) {
			c := e.Object.(*Container)
			if c.Namespace != namespace || c.Pod != pod || !yield(c) {
				return
			}
		}
	}
}

// TargetsOf yields where a port leads: a pod's own target, or those of the
// Service port that the row belongs to.
func (s *State) TargetsOf(p *Port) iter.Seq[*Target] {
	return func(yield func(*Target) bool) {
		if p.Target != nil {
			yield(p.Target)
			return
		}
		if p.Service == "" || p.ServicePort == nil {
			return
		}
		group := targetsKey(p.Namespace, p.Service, p.ServicePort.Name, p.Protocol)
		for e := range s.From(group) {
			t := e.Object.(*Target)
			if targetsKey(t.ServiceNamespace, t.Service, t.ServicePort, t.Protocol) != group || !yield(t) {
				return
			}
		}
	}
}

func objects[T Object](s *State, kind Kind) iter.Seq[T] {
	return func(yield func(T) bool) {
		for e := range s.Entries(kind) {
			if !yield(e.Object.(T)) {
				return
			}
		}
	}
}

// Changes are facts as they became: what an informer event did to the objects it
// touches, before it is known whether any of them differs from before.
type Changes struct {
	Upserts []Object
	Removes []Key
}

// Delta leads from one State to a later one of the same epoch.
type Delta struct {
	Epoch uint64
	// From and To are the seqs between which it leads.
	From, To uint64
	// Upserts and Removes have no key twice, in any order.
	Upserts []Entry
	Removes []Key
	// Usage and Sections are the later ones; nil: as they were.
	Usage    *Usage
	Sections *[NumSections]Section
}

// Apply is the State that d leads to from held, which stays as it was. A Delta
// of another epoch or that starts at another seq is an error. To remove a key
// that held does not have is none: it may have come and gone in between.
func Apply(held *State, d Delta) (*State, error) {
	if d.Epoch != held.Epoch {
		return nil, fmt.Errorf("apply delta: it is of epoch %x, held is %x", d.Epoch, held.Epoch)
	}
	if d.From != held.Seq || d.To < d.From {
		return nil, fmt.Errorf("apply delta: it leads from %d to %d, held is %d", d.From, d.To, held.Seq)
	}
	next := *held
	next.Seq = d.To
	edits := newEdits(d)
	for _, e := range d.Upserts {
		k := e.Object.Key()
		edits[k.Kind] = append(edits[k.Kind], edit{key: k, put: e})
	}
	for _, k := range d.Removes {
		edits[k.Kind] = append(edits[k.Kind], edit{key: k, remove: true})
	}
	for kind := range edits {
		slices.SortFunc(edits[kind], func(a, b edit) int { return a.key.Compare(b.key) })
		if twice := firstTwice(edits[kind]); twice != nil {
			return nil, fmt.Errorf("apply delta: %s %+v is in it twice", twice.Kind, *twice)
		}
	}
	if len(d.Upserts)+len(d.Removes) > 0 {
		next.contents = held.contents.with(&edits)
	}
	if d.Usage != nil {
		next.Usage = d.Usage
	}
	if d.Sections != nil {
		next.Sections = *d.Sections
	}
	return &next, nil
}

// newEdits makes room for the edits of d, and no more: of a large Delta they take as much
// as its objects.
func newEdits(d Delta) (edits [NumKinds][]edit) {
	var counts [NumKinds]int
	for _, e := range d.Upserts {
		counts[e.Object.Key().Kind]++
	}
	for _, k := range d.Removes {
		counts[k.Kind]++
	}
	for kind, n := range counts {
		edits[kind] = make([]edit, 0, n)
	}
	return edits
}

func firstTwice(edits []edit) *Key {
	for i := 1; i < len(edits); i++ {
		if edits[i].key == edits[i-1].key {
			return &edits[i].key
		}
	}
	return nil
}

// SectionStatus is what the source of a section says of it.
type SectionStatus struct {
	// Live says that all watches of the section are established: until the next
	// report it is true at every instant, and the present time is its ObservedAt.
	Live bool
	// ObservedAt is when it was last known to be true, where it is not Live; zero:
	// there is no data yet.
	ObservedAt time.Time
	Error      SectionError
}

// At is the section as it stands at an instant.
func (r SectionStatus) At(now time.Time) Section {
	if r.Live {
		return Section{ObservedAt: now, Error: r.Error}
	}
	return Section{ObservedAt: r.ObservedAt, Error: r.Error}
}
