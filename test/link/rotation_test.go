package link_test

import (
	"context"
	"crypto"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/agent/dial"
	"rollcall.dev/rollcall/api/link"
	"rollcall.dev/rollcall/master/session"
)

// rotatingKeys are the keys of an agent that replaces its key.
type rotatingKeys struct {
	mu        sync.Mutex
	key, next crypto.Signer
	changed   chan struct{}
}

func newRotatingKeys(key crypto.Signer) *rotatingKeys {
	return &rotatingKeys{key: key, changed: make(chan struct{}, 1)}
}

// set sets both keys.
func (k *rotatingKeys) set(key, next crypto.Signer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.key, k.next = key, next
	select {
	case k.changed <- struct{}{}:
	default:
	}
}

func (k *rotatingKeys) get() (key, next crypto.Signer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.key, k.next
}

// apply makes an agent use the keys.
func (k *rotatingKeys) apply(c *dial.Config) {
	c.Key = func() (crypto.Signer, error) { key, _ := k.get(); return key, nil }
	c.NextKey = func() crypto.Signer { _, next := k.get(); return next }
	c.KeyChanged = k.changed
	c.OnNextKeyAccepted = func(next crypto.Signer) { k.set(next, nil) }
}

// rotate makes the master store keys as a ClusterAgent's status does. accept says whether it accepts next keys.
func (env *environment) rotate(accept *atomic.Bool) {
	env.onEnroll = func(_ context.Context, c link.Candidate) *link.Refused {
		keys := []string{c.Key}
		switch {
		case c.NextKey != "" && !accept.Load():
			return &link.Refused{Code: link.NotAdmitted, Message: "add " + c.NextKey + " to spec.tls.pinnedSHA256"}
		case c.NextKey != "":
			keys = append(keys, c.NextKey)
		}
		if cluster, _ := env.registry.Cluster(name); !slices.Equal(cluster.TLS.PinnedSHA256, keys) {
			env.edit(func(cluster *session.Cluster) { cluster.TLS.PinnedSHA256 = keys })
		}
		return nil
	}
}

// TestKeyRotationHasNoGap replaces an agent's key while the cluster is read. The agent is never refused or without a
// link, and readers get no error. The hub accepts the new key only.
func TestKeyRotationHasNoGap(t *testing.T) {
	for _, reading := range []bool{false, true} {
		run(t, func(t *testing.T, env *environment) {
			var accept atomic.Bool
			accept.Store(true)
			env.rotate(&accept)
			key, next := newKey(t), newKey(t)
			env.register(key, func(c *session.Cluster) { c.Continuous = reading })
			keys := newRotatingKeys(key)
			a := env.startAgent(key, keys.apply)
			env.mustGet()
			keys.set(key, next)
			for range 300 {
				<-time.After(100 * time.Millisecond)
				if reading {
					if age := time.Since(env.mustGet().ReceivedAt); age > 3*time.Second {
						t.Errorf("the report is %s old", age)
					}
				}
				if !env.linked() {
					t.Error("the cluster has no link")
				}
			}
			synctest.Wait()
			if c, _ := env.registry.Cluster(name); !slices.Equal(c.TLS.PinnedSHA256, []string{fingerprint(t, next)}) {
				t.Errorf("reading %t: the hub accepts %v, want the new key %s only", reading, c.TLS.PinnedSHA256, fingerprint(t, next))
			}
			if last := env.refused.last(); last != "" {
				t.Errorf("reading %t: an agent was refused: %s", reading, last)
			}
			if !env.linked() {
				t.Error("the cluster has no link")
			}
			a.stop()
		})
	}
}

// TestNextKeyIsAnnouncedUntilItIsAccepted lets the hub not accept the next key for some minutes. The agent keeps its
// key and its link meanwhile.
func TestNextKeyIsAnnouncedUntilItIsAccepted(t *testing.T) {
	run(t, func(t *testing.T, env *environment) {
		var accept atomic.Bool
		env.rotate(&accept)
		key, next := newKey(t), newKey(t)
		env.register(key)
		keys := newRotatingKeys(key)
		a := env.startAgent(key, keys.apply)
		keys.set(key, next)
		<-time.After(5 * time.Minute)
		if last := env.refused.last(); last != "" || !env.linked() {
			t.Errorf("got the refusal %q, linked %t; want none and a link", last, env.linked())
		}
		accept.Store(true)
		<-time.After(45 * time.Second)
		synctest.Wait()
		if c, _ := env.registry.Cluster(name); !slices.Equal(c.TLS.PinnedSHA256, []string{fingerprint(t, next)}) {
			t.Errorf("the hub accepts %v, want the new key only", c.TLS.PinnedSHA256)
		}
		env.mustGet()
		if last := env.refused.last(); last != "" || !env.linked() {
			t.Errorf("got the refusal %q, linked %t; want none and a link", last, env.linked())
		}
		a.stop()
	})
}
