package state

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Time is an instant in Unix seconds, the resolution of Kubernetes' own times. Zero means no time.
// In JSON it is RFC 3339 in UTC.
type Time int64

// TimeOf returns t truncated to seconds; the zero time becomes zero.
func TimeOf(t time.Time) Time {
	if t.IsZero() {
		return 0
	}
	return Time(t.Unix())
}

// IsZero reports whether there is no time; JSON omits it then.
func (t Time) IsZero() bool { return t == 0 }

// Time returns t as a time.Time in UTC; zero becomes the zero time.
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

// UID is an object's metadata.uid as the 16 bytes of a UUID. The zero value means none. In JSON it
// is the UUID's text.
type UID [16]byte

// ParseUID returns the UID of a text, or zero if the text is not a UUID in canonical form.
func ParseUID(s string) UID {
	var u UID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return UID{}
	}
	if _, err := hex.Decode(u[:], []byte(s[:8]+s[9:13]+s[14:18]+s[19:23]+s[24:])); err != nil || u.String() != s {
		return UID{}
	}
	return u
}

// IsZero reports whether there is no UID; JSON omits it then.
func (u UID) IsZero() bool { return u == UID{} }

// String returns the UUID's text, empty for none.
func (u UID) String() string {
	if u.IsZero() {
		return ""
	}
	text := make([]byte, 0, 36)
	for i, part := range [][]byte{u[:4], u[4:6], u[6:8], u[8:10], u[10:]} {
		if i > 0 {
			text = append(text, '-')
		}
		text = hex.AppendEncode(text, part)
	}
	return string(text)
}

func (u UID) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText parses a UUID. Any other text becomes the zero UID.
func (u *UID) UnmarshalText(b []byte) error {
	*u = ParseUID(string(b))
	return nil
}

// Fraction is a number out of a total, as kubectl prints a pod's ready containers: 1/2.
type Fraction struct{ Of, Total int32 }

func (f Fraction) String() string {
	return strconv.Itoa(int(f.Of)) + "/" + strconv.Itoa(int(f.Total))
}

func (f Fraction) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

func (f *Fraction) UnmarshalText(b []byte) error {
	of, total, ok := strings.Cut(string(b), "/")
	n, err := strconv.ParseInt(of, 10, 32)
	m, err2 := strconv.ParseInt(total, 10, 32)
	if !ok || err != nil || err2 != nil {
		return fmt.Errorf("parse fraction %q: want a form like 1/2", b)
	}
	*f = Fraction{int32(n), int32(m)}
	return nil
}

// Resources has amounts of resources in base units. As in Kubernetes, a limit of zero means that
// no limit is set. Sums saturate at the largest int64.
type Resources struct {
	CPUMillis             int64 `json:"cpuMillis"`
	MemoryBytes           int64 `json:"memoryBytes"`
	EphemeralStorageBytes int64 `json:"ephemeralStorageBytes"`
	// Pods is a node's pod capacity; zero, and omitted from JSON, for containers and pods.
	Pods int64 `json:"pods,omitempty"`
	// Extended has all other resources by name (nvidia.com/gpu, hugepages-2Mi).
	Extended map[string]int64 `json:"extended,omitempty"`
}

// Zeros is the set of resources that an object sets to zero explicitly.
type Zeros uint8

const (
	ZeroCPU Zeros = 1 << iota
	ZeroMemory
	ZeroEphemeralStorage
	ZeroPods
	// AllZeros is the set of all resources.
	AllZeros = ZeroCPU | ZeroMemory | ZeroEphemeralStorage | ZeroPods
)

// Add adds o to r. The two share no map afterwards.
func (r *Resources) Add(o Resources) {
	r.CPUMillis = SaturatingAdd(r.CPUMillis, o.CPUMillis)
	r.MemoryBytes = SaturatingAdd(r.MemoryBytes, o.MemoryBytes)
	r.EphemeralStorageBytes = SaturatingAdd(r.EphemeralStorageBytes, o.EphemeralStorageBytes)
	r.Pods = SaturatingAdd(r.Pods, o.Pods)
	if r.Extended == nil && len(o.Extended) > 0 {
		r.Extended = make(map[string]int64, len(o.Extended))
	}
	for name, n := range o.Extended {
		r.Extended[name] = SaturatingAdd(r.Extended[name], n)
	}
}

// SaturatingAdd returns a + b, or the largest or smallest int64 if the sum overflows.
func SaturatingAdd(a, b int64) int64 {
	sum := a + b
	switch {
	case a > 0 && b > 0 && sum < 0:
		return math.MaxInt64
	case a < 0 && b < 0 && sum >= 0:
		return math.MinInt64
	}
	return sum
}

// Used is one usage sample of a node or container, from metrics.k8s.io.
type Used struct {
	// CPUMillis is rounded up to a millicore, as `kubectl top` does.
	CPUMillis   int64 `json:"cpuMillis"`
	MemoryBytes int64 `json:"memoryBytes"`
	// SampledAt is the timestamp of the sample in the API.
	SampledAt Time `json:"sampledAt,omitzero"`
}

// Usage is one reading of metrics.k8s.io: the samples of nodes and containers by slot (Entry.Slot). A
// published Usage is immutable.
type Usage struct {
	// N is the number of the reading within the agent's process, starting at 1.
	N uint64
	// BySlot has the sample of each slot. SampledAt is zero if there is none.
	BySlot []Used
	// Groups has the sampling group of each slot, 0 for none. Groups stay the same from reading to
	// reading while sample times change. Nil: not grouped yet. See Group.
	Groups []uint16
}

// Of returns the sample of a slot, nil if there is none or if u is nil.
func (u *Usage) Of(slot uint32) *Used {
	if u == nil || int64(slot) >= int64(len(u.BySlot)) || u.BySlot[slot].SampledAt == 0 {
		return nil
	}
	return &u.BySlot[slot]
}

// Reading is one reading of metrics.k8s.io: the samples of nodes and containers by their keys. Usage
// has the same by slot.
type Reading map[Key]Used
