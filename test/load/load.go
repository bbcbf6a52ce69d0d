// Package load makes up what containers and nodes use, the same for the same seed:
// the loads under which traffic and memory are measured. It knows nothing of Rollcall.
package load

import (
	"fmt"
	"math"
	"strings"
)

// Kind is how much moves from one sample to the next.
type Kind uint8

const (
	// Still: every value stays at its base.
	Still Kind = iota
	// Office: four of five nodes and containers are idle and stay at their base; the
	// others move as in Storm. Who is idle stays idle.
	Office
	// Storm: each sample of each node and container is its base ±5 % CPU and ±1 % memory.
	Storm
)

const (
	// idleShare is the part of the keys that never move under Office.
	idleShare = 0.8
	// cpuSwing and memorySwing are how far a sample is from its base at most.
	cpuSwing    = 0.05
	memorySwing = 0.01
)

var kinds = []string{"still", "office", "storm"}

func (k Kind) String() string { return kinds[k] }

// ParseKind is the Kind of a name: still, office or storm.
func ParseKind(name string) (Kind, error) {
	for i, known := range kinds {
		if name == known {
			return Kind(i), nil
		}
	}
	return 0, fmt.Errorf("there is no usage load %q: it is one of %s", name, strings.Join(kinds, ", "))
}

// Used is what a node or container uses at one sample. MemoryBytes is a multiple of
// 1,024, as metrics.k8s.io has it.
type Used struct {
	CPUMillis, MemoryBytes int64
}

// Usage is one load. All of its methods are pure.
type Usage struct {
	kind Kind
	seed uint64
}

// New is the load of a kind; another seed has other values of the same spread.
func New(kind Kind, seed uint64) *Usage { return &Usage{kind: kind, seed: seed} }

// Base is a plausible size for a key: 1 to 500 millicores and 16 MiB to 1 GiB, small
// ones as frequent as large ones. It does not depend on the kind of the load.
func (u *Usage) Base(key string) Used {
	r := u.draw(key, drawBase)
	return Used{CPUMillis: int64(spread(r.next(), 1, 500)), MemoryBytes: kibibytes(spread(r.next(), 16<<20, 1<<30))}
}

// Idle says that a key never moves under this load.
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

// At is what a key uses at sample n, around a base that the caller chooses. It depends
// on nothing but the load, the key, the base and n, so samples may be asked for in any
// order. A value of n shares nothing with that of n+1 but the base: nobody can tell the
// next one better than from the base.
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

// swing is base plus or minus up to a share of it, by a number from 0 to 1.
func swing(base int64, share, by float64) int64 {
	return int64(math.Round(float64(base) * (1 + share*(2*by-1))))
}

// spread is a number from low to high, each order of magnitude as likely.
func spread(by, low, high float64) float64 { return low * math.Pow(high/low, by) }

func kibibytes(bytes float64) int64 { return int64(bytes) >> 10 << 10 }

// MarshalText is the kind's name, for flags.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (k *Kind) UnmarshalText(name []byte) (err error) {
	*k, err = ParseKind(string(name))
	return err
}
