// Package load generates the usage of containers and nodes, deterministically from a seed.
// Tests and benchmarks measure traffic and memory under these loads. It does not depend on
// the rest of Rollcall.
package load

import (
	"fmt"
	"math"
	"strings"
)

// Kind says which values change from one sample to the next.
type Kind uint8

const (
	// Still keeps every value at its base.
	Still Kind = iota
	// Office keeps four of five nodes and containers at their base, always the same ones. The
	// others change as in Storm.
	Office
	// Storm changes each value in each sample: base ±5 % for CPU and ±1 % for memory.
	Storm
)

const (
	// idleShare is the share of the keys that never change under Office.
	idleShare = 0.8
	// cpuSwing and memorySwing are the maximum deviations of a sample from its base.
	cpuSwing    = 0.05
	memorySwing = 0.01
)

// kinds has the names of the kinds, by kind.
var kinds = []string{"still", "office", "storm"}

// String returns the name of the kind.
func (k Kind) String() string { return kinds[k] }

// ParseKind returns the Kind of a name: still, office or storm.
func ParseKind(name string) (Kind, error) {
	for i, known := range kinds {
		if name == known {
			return Kind(i), nil
		}
	}
	return 0, fmt.Errorf("unknown usage load %q, want one of %s", name, strings.Join(kinds, ", "))
}

// Used is the usage of a node or container in one sample. MemoryBytes is a multiple of
// 1,024, as in metrics.k8s.io.
type Used struct {
	CPUMillis, MemoryBytes int64
}

// Usage is a load. Its methods are pure functions, and safe for concurrent use.
type Usage struct {
	kind Kind
	seed uint64
}

// New returns the load of a kind. Each seed has different values of the same distribution.
func New(kind Kind, seed uint64) *Usage { return &Usage{kind: kind, seed: seed} }

// Base returns a base for a key: 1 to 500 millicores and 16 MiB to 1 GiB, evenly distributed
// on a logarithmic scale. It does not depend on the kind of load.
func (u *Usage) Base(key string) Used {
	r := u.draw(key, drawBase)
	return Used{CPUMillis: int64(spread(r.next(), 1, 500)), MemoryBytes: kibibytes(spread(r.next(), 16<<20, 1<<30))}
}

// Idle reports whether the usage of a key never changes.
func (u *Usage) Idle(key string) bool {
	switch u.kind {
	case Still:
		return true
	case Office:
		r := u.draw(key, drawIdle)
		return r.next() < idleShare
	}
	return false
}

// At returns the usage of a key in sample n, around a base that the caller chooses. It
// depends only on the load, the key, the base and n, so samples can be computed in any
// order. Consecutive samples are independent of each other.
func (u *Usage) At(key string, base Used, n int) Used {
	if u.Idle(key) {
		return base
	}
	r := u.draw(key, drawSample+uint64(n))
	return Used{
		CPUMillis:   swing(base.CPUMillis, cpuSwing, r.next()),
		MemoryBytes: swing(base.MemoryBytes>>10, memorySwing, r.next()) << 10,
	}
}

// swing maps a number from 0 to 1 to base minus share to base plus share.
func swing(base int64, share, by float64) int64 {
	return int64(math.Round(float64(base) * (1 + share*(2*by-1))))
}

// spread maps a number from 0 to 1 to low to high, on a logarithmic scale.
func spread(by, low, high float64) float64 { return low * math.Pow(high/low, by) }

// kibibytes rounds down to a multiple of 1,024 bytes.
func kibibytes(bytes float64) int64 { return int64(bytes) >> 10 << 10 }

// MarshalText returns the name of the kind. It implements encoding.TextMarshaler, for flags.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText parses the name of a kind. It implements encoding.TextUnmarshaler.
func (k *Kind) UnmarshalText(name []byte) (err error) {
	*k, err = ParseKind(string(name))
	return err
}
