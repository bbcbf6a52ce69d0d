package kube

import (
	"context"
	"fmt"
	"sync"
	"testing"
)

// sharing has the clusters that the tests of one package share: starting a cluster takes seconds, creating a namespace
// milliseconds.
var sharing struct {
	sync.Mutex
	clusters map[string]*Cluster
}

// Shared returns the cluster with these options that the tests of a package share. The first call starts it.
// Each test uses its own namespaces and unique names. [Main] closes the cluster.
func Shared(t testing.TB, options Options) *Cluster {
	t.Helper()
	sharing.Lock()
	defer sharing.Unlock()
	key := fmt.Sprintf("%+v", shareable(options))
	if c, ok := sharing.clusters[key]; ok {
		return c
	}
	c, err := Start(context.Background(), options) // runs longer than the first test
	if err != nil {
		t.Fatal(err)
	}
	if sharing.clusters == nil {
		sharing.clusters = map[string]*Cluster{}
	}
	sharing.clusters[key] = c
	return c
}

// Fresh returns a new cluster for this test only, for tests that stop the API server or count objects.
func Fresh(t testing.TB, options Options) *Cluster {
	t.Helper()
	c, err := Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// Main wraps a package's tests to close shared clusters at the end, before goleak checks for goroutines:
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(kube.Main(m)) }
func Main(m *testing.M) *Tests {
	return &Tests{m}
}

// Tests are the tests of a package; see [Main].
type Tests struct{ m *testing.M }

// Run runs the tests, closes shared clusters and returns the exit code.
func (t *Tests) Run() int {
	defer closeShared()
	return t.m.Run()
}

// closeShared closes all shared clusters.
func closeShared() {
	sharing.Lock()
	defer sharing.Unlock()
	for _, c := range sharing.clusters {
		c.Close()
	}
	sharing.clusters = nil
}

// shareable returns the options without those that do not affect the cluster.
func shareable(options Options) Options {
	options.Log = nil
	return options
}
