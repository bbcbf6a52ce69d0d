package main

import (
	"fmt"
	"math/rand/v2"

	"rollcall.dev/rollcall/agent/simulated"
	"rollcall.dev/rollcall/api/state"
)

// apps is the number of different applications in the whole fleet.
const apps = 200

// oldestCreation is the creation time of the oldest objects.
const oldestCreation state.Time = 1_790_000_000

// newCatalog returns the applications that all clusters of the fleet run, each with the same images everywhere. They
// are derived from a seed.
func newCatalog(seed uint64) []simulated.App {
	random := rand.New(rand.NewPCG(seed, 1<<63))
	proxy := newTemplate(random, "proxy", state.Sidecar)
	var all []simulated.App
	for i := range apps {
		a := simulated.App{Namespace: fmt.Sprintf("team-%02d", i%20), Name: fmt.Sprintf("app-%03d", i)}
		a.Containers = append(a.Containers, newTemplate(random, "app", state.Main))
		if i%2 == 0 {
			a.Containers = append(a.Containers, proxy)
		}
		if i%4 < 2 {
			a.Containers = append(a.Containers, newTemplate(random, "worker", state.Main))
		}
		if i%3 == 0 {
			a.Port = 8080
		}
		if i%12 == 0 {
			a.NodePort = uint16(30000 + i)
		}
		all = append(all, a)
	}
	return all
}

// newTemplate returns a container with a random image and random resources.
func newTemplate(random *rand.Rand, name string, kind state.ContainerKind) simulated.Template {
	memory := int64(64<<20) << random.IntN(4)
	return simulated.Template{
		Name: name, Kind: kind,
		Image:    fmt.Sprintf("registry.example.com/shop/%s-%03d:v1.%d.%d", name, random.IntN(1000), random.IntN(30), random.IntN(10)),
		ImageID:  fmt.Sprintf("registry.example.com/shop/%s@sha256:%016x%016x%016x%016x", name, random.Uint64(), random.Uint64(), random.Uint64(), random.Uint64()),
		Requests: state.Resources{CPUMillis: 50 * (1 + random.Int64N(10)), MemoryBytes: memory},
		Limits:   state.Resources{MemoryBytes: 2 * memory},
	}
}
