package keysecret_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clienttesting "k8s.io/client-go/testing"

	"rollcall.dev/rollcall/api/keysecret"
	"rollcall.dev/rollcall/api/keysecret/keysecrettest"
)

// fixture has a Secret and a ConfigMap, both empty.
type fixture struct {
	*keysecrettest.Cluster
	objects *keysecret.Objects
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{Cluster: keysecrettest.New(t, "ns", "key", "key")}
	o := f.Objects()
	o.Content, o.Process, o.Tree, o.Role, o.Files, o.Replaced = "a key", "agent", "config/agent", "rollcall-agent-key of config/rbac/agent", "--key-file", ", and register it"
	f.objects = &o
	return f
}

// fillOnce returns a Fill that stores a key if there is none, publishes its first letter, and rejects the key "bad".
func fillOnce(key string) keysecret.Fill {
	return func(data map[string][]byte) (map[string][]byte, map[string]string, error) {
		switch existing := string(data["key"]); existing {
		case "bad":
			return nil, nil, errors.New("key is not a key")
		case "":
			return map[string][]byte{"key": []byte(key)}, map[string]string{"letter": key[:1]}, nil
		default:
			return nil, map[string]string{"letter": existing[:1]}, nil
		}
	}
}

// content returns the data of both objects.
func (f *fixture) content() string { return fmt.Sprintf("%s %v", f.Data(), f.Published()) }

func TestFirstProcessStoresTheKey(t *testing.T) {
	f := newFixture(t)
	for _, key := range []string{"first", "second"} {
		if err := f.objects.Sync(t.Context(), fillOnce(key)); err != nil {
			t.Fatal(err)
		}
		if got, want := f.content(), "map[key:first] map[letter:f]"; got != want {
			t.Errorf("after %s: got %s, want %s", key, got, want)
		}
	}
	updates := 0
	for _, a := range f.API.Actions() {
		if a.GetVerb() == "update" {
			updates++
		}
	}
	if updates != 2 {
		t.Errorf("got %d updates, want one for each object", updates)
	}
}

func TestOtherEntriesAreKept(t *testing.T) {
	f := newFixture(t)
	f.Put(map[string][]byte{"mine": []byte("x")})
	if err := f.objects.Sync(t.Context(), fillOnce("first")); err != nil {
		t.Fatal(err)
	}
	if got, want := f.content(), "map[key:first mine:x] map[letter:f]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestConflictReadsTheOthersKey lets another process store its key between the read and the update.
func TestConflictReadsTheOthersKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		other := *f.objects
		f.objects.Secrets = keysecrettest.Race(f.objects.Secrets, func() {
			if err := other.Sync(t.Context(), fillOnce("other")); err != nil {
				t.Error(err)
			}
		})
		if err := f.objects.Sync(t.Context(), fillOnce("mine")); err != nil {
			t.Fatal(err)
		}
		if got, want := f.content(), "map[key:other] map[letter:o]"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func TestErrorsSayWhatToDo(t *testing.T) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "key", nil)
	fail := func(f *fixture, verb, resource string) {
		f.API.PrependReactor(verb, resource, func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, forbidden })
	}
	for want, prepare := range map[string]func(t *testing.T, f *fixture){
		"the Secret ns/key does not exist: apply config/agent, which creates it empty, or set --key-file": func(t *testing.T, f *fixture) {
			if err := f.API.CoreV1().Secrets("ns").Delete(t.Context(), "key", metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
		},
		"the ConfigMap ns/key does not exist": func(t *testing.T, f *fixture) {
			if err := f.API.CoreV1().ConfigMaps("ns").Delete(t.Context(), "key", metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
		},
		"the agent needs get and update on the Secret ns/key, which the Role rollcall-agent-key of config/rbac/agent grants": func(_ *testing.T, f *fixture) { fail(f, "get", "secrets") },
		"the agent needs get and update on the Secret ns/key":                                                                func(_ *testing.T, f *fixture) { fail(f, "update", "secrets") },
		"the agent needs get and update on the ConfigMap ns/key":                                                             func(_ *testing.T, f *fixture) { fail(f, "update", "configmaps") },
		"the Secret ns/key is immutable, so that the agent cannot update it: delete it, and apply config/agent": func(t *testing.T, f *fixture) {
			f.PutImmutable(nil)
		},
		"does not contain a key: key is not a key. It is not overwritten: restore it, or if its content is not needed, have a new one created by `kubectl -n ns patch secret key --type=merge -p '{\"data\":null}'`, and register it": func(t *testing.T, f *fixture) {
			f.Put(map[string][]byte{"key": []byte("bad")})
		},
	} {
		f := newFixture(t)
		prepare(t, f)
		if err := f.objects.Sync(t.Context(), fillOnce("first")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %s", err, want)
		}
	}
}

func TestImmutableSecretWithAKeyIsUsed(t *testing.T) {
	f := newFixture(t)
	f.PutImmutable(map[string][]byte{"key": []byte("given")})
	if err := f.objects.Sync(t.Context(), fillOnce("first")); err != nil {
		t.Fatal(err)
	}
	if got, want := f.content(), "map[key:given] map[letter:g]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestLoopRetriesUntilReady checks how often a Loop synchronizes, and that it logs the same error once.
func TestLoopRetriesUntilReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		var calls []time.Duration
		began := time.Now()
		result := func() error {
			if len(calls) < 4 {
				return errors.New("no key")
			}
			return nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*keysecret.Period)
		defer cancel()
		loop := keysecret.Loop{
			Sync:  func(context.Context) error { calls = append(calls, time.Since(began)); return result() },
			Ready: result, LogError: func(err error) { slog.New(slog.NewTextHandler(&log, nil)).Error("cannot store it", "error", err) },
		}
		if err := loop.Run(ctx); err != nil {
			t.Error(err)
		}
		if got, want := fmt.Sprint(calls), "[0s 2s 4s 6s 1m6s 2m6s]"; got != want {
			t.Errorf("got calls at %s, want %s", got, want)
		}
		if got := strings.Count(log.String(), "cannot store it"); got != 1 {
			t.Errorf("got %d log lines, want 1:\n%s", got, &log)
		}
	})
}
