package kube

import (
	"context"
	"fmt"
	"sync"
	"testing"
)

// sharing holds the clusters that the tests of one package share: a cluster takes seconds, a namespace milliseconds.
var sharing struct {
	sync.Mutex
	clusters map[string]*Cluster
}

// Shared returns the cluster with these options that the tests of a package share, starting it at its first mention.
// Tests put their objects into namespaces of their own, with names of their own. [Main] closes it.
func Shared(t testing.TB, options Options) *Cluster {
	t.Helper()
	sharing.Lock()
	defer sharing.Unlock()
	key := fmt.Sprintf("%+v", shareable(options))
	if c, ok := sharing.clusters[key]; ok {
		return c
	}
	c, err := Start(context.Background(), options) // outlives the test that comes first
	if err != nil {
		t.Fatal(err)
	}
	if sharing.clusters == nil {
		sharing.clusters = map[string]*Cluster{}
	}
	sharing.clusters[key] = c
	return c
}

// Fresh returns a cluster of this test's own, for tests that stop its API server or count what is in it.
func Fresh(t testing.TB, options Options) *Cluster {
	t.Helper()
	c, err := Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// Main wraps a package's tests so that the clusters they share are closed at the end, before goroutines are counted:
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(kube.Main(m)) }
func Main(m *testing.M) *Tests {
	return &Tests{m}
}

// Tests are the tests of a package, see [Main].
type Tests struct{ m *testing.M }

// Run runs them and returns the exit code.
func (t *Tests) Run() int {
	defer closeShared()
	return t.m.Run()
}

func closeShared() {
	sharing.Lock()
	defer sharing.Unlock()
	for _, c := range sharing.clusters {
		c.Close()
	}
	sharing.clusters = nil
}

// shareable leaves out what does not make another cluster.
func shareable(options Options) Options {
	options.Log = nil
	return options
}
