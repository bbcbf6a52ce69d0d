package main

import (
	"fmt"
	"math/rand/v2"

	"rollcall.dev/rollcall/api/state"
)

const (
	kubernetesVersion = "v1.36.3"
	// apps is the number of different applications in the whole fleet.
	apps = 200
)

// catalog has the applications that all clusters of the fleet run,
// each with the same images everywhere.
type catalog struct{ apps []app }

// app is an application, of which all pods have the same containers.
type app struct {
	namespace, name string
	containers      []template
	// port is the port of its pods, 0 for none.
	port uint16
	// nodePort is the port of its NodePort Service, 0 for none.
	nodePort uint16
}

// template is a container of an app.
type template struct {
	name, image, imageID string
	kind                 state.ContainerKind
	requests, limits     state.Resources
}

// newCatalog returns a catalog derived from a seed.
func newCatalog(seed uint64) *catalog {
	random := rand.New(rand.NewPCG(seed, 1<<63))
	proxy := newTemplate(random, "proxy", state.Sidecar)
	c := &catalog{}
	for i := range apps {
		a := app{namespace: fmt.Sprintf("team-%02d", i%20), name: fmt.Sprintf("app-%03d", i)}
		a.containers = append(a.containers, newTemplate(random, "app", state.Main))
		if i%2 == 0 {
			a.containers = append(a.containers, proxy)
		}
		if i%4 < 2 {
			a.containers = append(a.containers, newTemplate(random, "worker", state.Main))
		}
		if i%3 == 0 {
			a.port = 8080
		}
		if i%12 == 0 {
			a.nodePort = uint16(30000 + i)
		}
		c.apps = append(c.apps, a)
	}
	return c
}

// newTemplate returns a container with a random image and random resources.
func newTemplate(random *rand.Rand, name string, kind state.ContainerKind) template {
	memory := int64(64<<20) << random.IntN(4)
	return template{
		name: name, kind: kind,
		image:    fmt.Sprintf("registry.example.com/shop/%s-%03d:v1.%d.%d", name, random.IntN(1000), random.IntN(30), random.IntN(10)),
		imageID:  fmt.Sprintf("registry.example.com/shop/%s@sha256:%016x%016x%016x%016x", name, random.Uint64(), random.Uint64(), random.Uint64(), random.Uint64()),
		requests: state.Resources{CPUMillis: 50 * (1 + random.Int64N(10)), MemoryBytes: memory},
		limits:   state.Resources{MemoryBytes: 2 * memory},
	}
}
