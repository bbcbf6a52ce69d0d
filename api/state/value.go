package state

import (
	"fmt"
	"time"
)

// Time is an instant in Unix seconds, the resolution of Kubernetes' own times.
// Zero is no time at all; in JSON it is RFC 3339 in UTC.
type Time int64

// TimeOf is t cut to whole seconds; the zero time gives zero.
func TimeOf(t time.Time) Time {
	if t.IsZero() {
		return 0
	}
	return Time(t.Unix())
}

// IsZero says that there is no time; JSON leaves it out then.
func (t Time) IsZero() bool { return t == 0 }

// Time is t as the standard library has it, in UTC.
func (t Time) Time() time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.Unix(int64(t), 0).UTC()
}

func (t Time) MarshalText() ([]byte, error) {
	return t.Time().AppendFormat(nil, time.RFC3339), nil
}

func (t *Time) UnmarshalText(b []byte) error {
	parsed, err := time.Parse(time.RFC3339, string(b))
	if err != nil {
		return fmt.Errorf("parse time: %w", err)
	}
	*t = TimeOf(parsed)
	return nil
}

// Resources are amounts of what a node has or a pod takes, in base units. As
// limits, zero is «no limit set», as in Kubernetes.
type Resources struct {
	CPUMillis             int64 `json:"cpuMillis"`
	MemoryBytes           int64 `json:"memoryBytes"`
	EphemeralStorageBytes int64 `json:"ephemeralStorageBytes"`
	// Pods is a node's room for pods; zero, and left out, for containers and pods.
	Pods int64 `json:"pods,omitempty"`
	// Extended are all other resources by name (nvidia.com/gpu, hugepages-2Mi).
	Extended map[string]int64 `json:"extended,omitempty"`
}

// Add adds o to r in place; r takes no map of o's.
func (r *Resources) Add(o Resources) {
	r.CPUMillis += o.CPUMillis
	r.MemoryBytes += o.MemoryBytes
	r.EphemeralStorageBytes += o.EphemeralStorageBytes
	r.Pods += o.Pods
	if r.Extended == nil && len(o.Extended) > 0 {
		r.Extended = make(map[string]int64, len(o.Extended))
	}
	for name, n := range o.Extended {
		r.Extended[name] += n
	}
}

// Used is one sample of what a node or container uses, from metrics.k8s.io.
type Used struct {
	// CPUMillis is rounded up to a millicore, as `kubectl top` does.
	CPUMillis   int64 `json:"cpuMillis"`
	MemoryBytes int64 `json:"memoryBytes"`
	// SampledAt is the API's own timestamp of this node or pod.
	SampledAt Time `json:"sampledAt,omitzero"`
}

// Usage is one reading of metrics.k8s.io: a sample per node and container by slot
// (Entry.Slot). It is never mutated once published.
type Usage struct {
	// N numbers the readings of an agent's process, from 1.
	N uint64
	// BySlot has a zero SampledAt where nothing is known.
	BySlot []Used
	// Groups are the numbers of the groups of slots that were sampled together, 0 where
	// nothing is known: they stay the same from reading to reading while times do not.
	// Nil: not grouped yet. See Group.
	Groups []uint16
}

// Of is the sample of a slot, nil where none is known. A nil Usage knows nothing.
func (u *Usage) Of(slot uint32) *Used {
	if u == nil || int64(slot) >= int64(len(u.BySlot)) || u.BySlot[slot].SampledAt == 0 {
		return nil
	}
	return &u.BySlot[slot]
}

// Sample is one reading of metrics.k8s.io before it is put into columns: by the
// key of the node or container.
type Sample map[Key]Used
