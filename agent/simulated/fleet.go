package simulated

import (
	"fmt"
	"math"
	"math/rand/v2"

	"rollcall.dev/rollcall/api/state"
)

// Member describes one cluster of a fleet.
type Member struct {
	Name              string
	Nodes, Containers int
	Troubles          []Trouble
	// Unreachable is why no agent answers, empty if one does.
	Unreachable string
	// Stale means that the agent has lost its API server a while ago.
	Stale bool
}

// troubled has the first clusters of every fleet. The later ones have no trouble at the start.
var troubled = []Member{
	{Name: "prod-eu-west", Nodes: 9, Containers: 160, Troubles: []Trouble{CrashLoop, CrashLoop, Pending, PortConflict, MissingImage}},
	{Name: "prod-us-east", Nodes: 12, Containers: 240},
	{Name: "prod-ap-south", Nodes: 6, Containers: 90, Troubles: []Trouble{LostNode, MemoryPressure}},
	{Name: "edge-oslo", Nodes: 1, Containers: 14, Unreachable: "dial tcp 10.20.0.7:6443: connect: no route to host"},
	{Name: "edge-lisbon", Nodes: 1, Containers: 14, Stale: true},
	{Name: "staging", Nodes: 4, Containers: 70, Troubles: []Trouble{MissingImage, MissingImage, Cordoned}},
	{Name: "payments-eu", Nodes: 5, Containers: 80, Troubles: []Trouble{PortConflict}},
	{Name: "payments-us", Nodes: 5, Containers: 80},
	{Name: "data-platform", Nodes: 24, Containers: 900, Troubles: []Trouble{Pending, CrashLoop}},
	{Name: "ci", Nodes: 6, Containers: 120, Troubles: []Trouble{Pending, Pending}},
	{Name: "dev", Nodes: 3, Containers: 40},
}

// Fleet returns n clusters, of which some have trouble. The same seed gives the same clusters.
func Fleet(n int, seed uint64) []Member {
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // the clusters are made up
	members := append([]Member(nil), troubled[:min(n, len(troubled))]...)
	for i := len(members); i < n; i++ {
		members = append(members, Member{Name: fmt.Sprintf("store-%03d", i-len(troubled)+1), Nodes: 1 + random.IntN(3), Containers: 12 + random.IntN(30)})
	}
	return members
}

// Build returns the cluster of a member with its troubles, as of a time.
func (m Member) Build(random *rand.Rand, now state.Time) *Cluster {
	const days = 12
	c := NewCluster(ClusterOptions{Apps: Shop(), Nodes: m.Nodes, Containers: m.Containers, CreatedAfter: minutesBefore(now, days*24*60), Random: random})
	for _, trouble := range m.Troubles {
		c.Add(trouble, random, now, minutesBefore(now, 5+random.IntN(90)))
	}
	return c
}

// Waves returns a usage that rises and falls by some percent, around a share of the requests that differs between
// containers.
func Waves(seed uint64) Usage {
	return func(c *state.Container, n int) state.Used {
		random := rand.New(rand.NewPCG(seed, hash(c))) //nolint:gosec // the usage is made up
		share, phase := 0.3+0.5*random.Float64(), 2*math.Pi*random.Float64()
		noise := rand.New(rand.NewPCG(random.Uint64(), uint64(n))).Float64() //nolint:gosec // see above
		cpu := share * (1 + 0.25*math.Sin(float64(n)/10+phase) + 0.1*noise)
		memory := share * (1 + 0.05*math.Sin(float64(n)/30+phase))
		return state.Used{CPUMillis: int64(cpu * float64(c.Requests.CPUMillis)), MemoryBytes: int64(memory*float64(c.Requests.MemoryBytes)) >> 10 << 10}
	}
}

// hash returns a hash of a container's name (FNV-1a).
func hash(c *state.Container) uint64 {
	h := uint64(0xcbf29ce484222325)
	for _, part := range []string{c.Namespace, "/", c.Pod, "/", c.Name} {
		for i := range len(part) {
			h = (h ^ uint64(part[i])) * 0x100000001b3
		}
	}
	return h
}
