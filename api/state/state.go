package state

import (
	"fmt"
	"iter"
	"slices"
	"time"
)

// SectionName names a part of the state that has its own freshness.
type SectionName uint8

const (
	SectionNodes SectionName = iota
	SectionPods
	// SectionNetwork covers Services and EndpointSlices.
	SectionNetwork
	// SectionStorage covers PersistentVolumeClaims and PersistentVolumes.
	SectionStorage
	// SectionUsage covers metrics.k8s.io.
	SectionUsage
	// NumSections is the number of sections, which are numbered from 0.
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

// UnmarshalText parses a section's name. An unknown name of a newer peer becomes NumSections, as
// zero is a valid section.
func (s *SectionName) UnmarshalText(b []byte) error {
	*s = NumSections
	if i := slices.Index(sectionNames, string(b)); i >= 0 {
		*s = SectionName(i) //nolint:gosec // i is an index of sectionNames
	}
	return nil
}

// Section says how fresh one part of the state is.
type Section struct {
	// ObservedAt is when the section was last known to be true; zero: never.
	ObservedAt time.Time
	// Error says why the section is not fresh; zero: it is.
	Error SectionError
}

// Reasons of a SectionError.
const (
	// ReasonPending means that the section has not been read yet.
	ReasonPending = "Pending"
	// ReasonDisabled means that a flag of the agent switches the section off.
	ReasonDisabled = "Disabled"
	// ReasonForbidden means that the agent lacks permissions, which the message names.
	ReasonForbidden = "Forbidden"
	// ReasonUnauthorized means that the API server does not accept the agent's credentials.
	ReasonUnauthorized = "Unauthorized"
	// ReasonUnavailable means that the API server does not serve the resource, or that what serves it
	// does not respond.
	ReasonUnavailable = "Unavailable"
	// ReasonDisconnected means that the API server is unreachable, or that a watch ended and cannot be
	// established again.
	ReasonDisconnected = "Disconnected"
	// ReasonPartial means that only the usage of nodes or only that of containers was read. The message
	// says which is missing. Usage with this error is fresh, because the rest is current.
	ReasonPartial = "Partial"
	// ReasonRestricted means that the rights of the user of `kubectl rollcall local` suffice for a part of the
	// section only, or for nothing of it. The message names the missing rights. The rest is fresh.
	ReasonRestricted = "Restricted"
)

// SectionError says why a section is outdated or has no data.
type SectionError struct {
	// Reason is one of the constants above, or one that a newer agent knows.
	Reason string `json:"reason"`
	// Message is for people and says what to do.
	Message string `json:"message,omitempty"`
}

// State is the state of one cluster at one seq of one epoch. The zero value is empty. A published
// State is immutable.
type State struct {
	// Epoch is chosen at random by each agent process. It is only compared for equality.
	Epoch uint64
	// Seq counts the changes within the epoch. A change of usage or of a section's error counts as
	// one.
	Seq      uint64
	Usage    *Usage
	Sections [NumSections]Section

	tables [NumKinds]table
	id     ObjectsID
}

// ObjectsID identifies the objects of a State, with their seqs and slots. It is comparable, and keeps no object in
// memory.
type ObjectsID struct {
	// address is unique. It is nil if there are no objects.
	address *byte
}

// ObjectsID returns the ID of the objects of s. States that share their objects have the same ID. States with equal
// objects that were created independently have different ones.
func (s *State) ObjectsID() ObjectsID { return s.id }

// Len returns the number of objects of a kind.
func (s *State) Len(kind Kind) int { return s.tables[kind].len }

// Count returns the number of objects of all kinds.
func (s *State) Count() int {
	n := 0
	for kind := range NumKinds {
		n += s.tables[kind].len
	}
	return n
}

// Get returns the entry with a key, and whether there is one.
func (s *State) Get(k Key) (Entry, bool) { return s.tables[k.Kind].get(k) }

// Entries returns all entries of a kind in key order.
func (s *State) Entries(kind Kind) iter.Seq[Entry] { return s.tables[kind].all() }

// From returns the entries of k's kind with a key at or after k, in key order.
func (s *State) From(k Key) iter.Seq[Entry] { return s.tables[k.Kind].from(k) }

// ChangedSince returns the entries of all kinds whose seq is above since, kind by kind and in key
// order.
func (s *State) ChangedSince(since uint64) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for kind := range NumKinds {
			for e := range s.tables[kind].changedSince(since, false) {
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

// Load returns the resources that a node's pods take, nil if they are unknown.
func (s *State) Load(node string) *NodeLoad {
	e, ok := s.Get(Key{Kind: KindNodeLoad, Name: node})
	if !ok {
		return nil
	}
	return e.Object.(*NodeLoad)
}

// ContainersOf returns the containers of one pod.
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

// TargetsOf returns the targets of a port: a pod's own target, or those of the row's Service port.
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

// Changes has the objects that informer events may have changed, and the keys of removed ones. Some
// objects may equal the previous ones.
type Changes struct {
	Upserts []Object
	Removes []Key
}

// Delta has the changes from one State to a later one of the same epoch.
type Delta struct {
	Epoch uint64
	// From and To are the seqs of the two States.
	From, To uint64
	// Upserts and Removes are in any order. No key occurs twice.
	Upserts []Entry
	Removes []Key
	// Usage and Sections are those of the later State; nil if they have not changed.
	Usage    *Usage
	Sections *[NumSections]Section
}

// Apply returns the State that results from applying d to prev. It does not modify prev. It
// returns an error if d has another epoch, does not start at the seq of prev, or has a key twice.
// Removing a key that prev does not have is allowed, as the object may have been created and
// removed in between.
func Apply(prev *State, d Delta) (*State, error) {
	if d.Epoch != prev.Epoch {
		return nil, fmt.Errorf("apply delta: it has epoch %x, want %x", d.Epoch, prev.Epoch)
	}
	if d.From != prev.Seq || d.To < d.From {
		return nil, fmt.Errorf("apply delta: it is from seq %d to %d, want from %d", d.From, d.To, prev.Seq)
	}
	next := *prev
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
		if duplicate := firstDuplicate(edits[kind]); duplicate != nil {
			return nil, fmt.Errorf("apply delta: duplicate key: %s %+v", duplicate.Kind, *duplicate)
		}
	}
	if len(d.Upserts)+len(d.Removes) > 0 {
		next.id = ObjectsID{new(byte)}
		for kind := range NumKinds {
			next.tables[kind] = prev.tables[kind].with(edits[kind])
		}
	}
	if d.Usage != nil {
		next.Usage = d.Usage
	}
	if d.Sections != nil {
		next.Sections = *d.Sections
	}
	return &next, nil
}

// newEdits returns empty slices with capacity for the edits of d, since the edits of a large Delta
// take as much memory as its objects.
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

func firstDuplicate(edits []edit) *Key {
	for i := 1; i < len(edits); i++ {
		if edits[i].key == edits[i-1].key {
			return &edits[i].key
		}
	}
	return nil
}

// SectionStatus is what the source of a section reports about it.
type SectionStatus struct {
	// Live means that all watches of the section are established. The section is then always
	// current, so the ObservedAt of its Section is the current time.
	Live bool
	// ObservedAt is when the section was last known to be true, if it is not Live; zero: there is
	// no data.
	ObservedAt time.Time
	Error      SectionError
}

// At returns the Section at an instant.
func (s SectionStatus) At(now time.Time) Section {
	if s.Live {
		return Section{ObservedAt: now, Error: s.Error}
	}
	return Section{ObservedAt: s.ObservedAt, Error: s.Error}
}
