package servingcert

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"sync/atomic"
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

const (
	namespace = "rollcall-system"
	object    = "rollcall-master-ca"
	service   = "rollcall-master.rollcall-system.svc"
)

// fakeHub is a hub with the two objects as config/master installs them.
type fakeHub struct{ *keysecrettest.Cluster }

func newFakeHub(t *testing.T) fakeHub {
	return fakeHub{keysecrettest.New(t, namespace, object, object)}
}

// replica returns the Source of one more master.
func (h fakeHub) replica() *Source {
	o := h.Objects()
	return New(Config{
		Secrets: o.Secrets, ConfigMaps: o.ConfigMaps, Namespace: o.Namespace, Secret: o.Secret, ConfigMap: o.ConfigMap,
		Hosts: Hosts("rollcall-master", namespace, "203.0.113.9", "rollcall.example"), Log: h.Logger(),
	})
}

// published returns the certificates in the ConfigMap.
func (h fakeHub) published() string { return h.Published()[caCertKey] }

// served returns the certificate that a replica serves.
func served(t *testing.T, s *Source) *x509.Certificate {
	t.Helper()
	pair, err := s.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf
}

// trusts returns an error if a client with the bundle of the ConfigMap rejects a certificate now.
func trusts(bundle string, leaf *x509.Certificate) error {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(bundle))
	_, err := leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: service, CurrentTime: time.Now()})
	return err
}

// failRequests makes requests with a verb for a resource fail with err until stop is called.
func (h fakeHub) failRequests(verb, resource string, err error) (stop func()) {
	var stopped atomic.Bool
	h.API.PrependReactor(verb, resource, func(clienttesting.Action) (bool, runtime.Object, error) { return !stopped.Load(), nil, err })
	return func() { stopped.Store(true) }
}

func TestReplicasShareOneCA(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFakeHub(t)
		var all []*Source
		for range 3 {
			all = append(all, h.replica())
		}
		if err := all[0].Ready(); err == nil {
			t.Error("got readiness before Run, want an error")
		}
		if _, err := all[0].GetCertificate(nil); err == nil {
			t.Error("got a certificate before Run, want an error")
		}
		for _, s := range all {
			s.loop.Once(t.Context())
			if err := s.Ready(); err != nil {
				t.Error(err)
			}
		}
		keys := map[string]bool{}
		for _, s := range all {
			leaf := served(t, s)
			if err := trusts(h.published(), leaf); err != nil {
				t.Error(err)
			}
			for _, host := range []string{"rollcall-master", service, service + ".cluster.local", "localhost", "127.0.0.1", "::1", "203.0.113.9", "rollcall.example"} {
				if err := leaf.VerifyHostname(host); err != nil {
					t.Error(err)
				}
			}
			keys[string(leaf.RawSubjectPublicKeyInfo)] = true
		}
		if len(keys) != 3 {
			t.Errorf("got %d keys of three replicas, want 3", len(keys))
		}
		if got := strings.Count(h.published(), "BEGIN CERTIFICATE"); got != 1 {
			t.Errorf("got %d published certificates, want 1", got)
		}
		if strings.Contains(h.published(), "PRIVATE KEY") || strings.Contains(h.Log.String(), "PRIVATE KEY") {
			t.Error("the ConfigMap or the log contains a private key")
		}
	})
}

// TestConcurrentReplicasAgreeOnOneCA lets another replica update the Secret between the read and the
// update of a replica.
func TestConcurrentReplicasAgreeOnOneCA(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFakeHub(t)
		first, second := h.replica(), h.replica()
		second.objects.Secrets = keysecrettest.Race(second.objects.Secrets, func() { first.loop.Once(t.Context()) })
		second.loop.Once(t.Context())
		if !first.issuer.cert.Equal(second.issuer.cert) {
			t.Errorf("got the CAs %s and %s, want the same", first.issuer.cert.Subject, second.issuer.cert.Subject)
		}
		for _, s := range []*Source{first, second} {
			if err := trusts(h.published(), served(t, s)); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestCertificateRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFakeHub(t)
		s := h.replica()
		s.loop.Once(t.Context())
		first := served(t, s)
		<-time.After(leafLifetime*2/3 - time.Second)
		s.loop.Once(t.Context())
		if !served(t, s).Equal(first) {
			t.Error("got a new certificate before two thirds of its lifetime")
		}
		<-time.After(time.Second)
		s.loop.Once(t.Context())
		second := served(t, s)
		if second.Equal(first) || second.NotAfter != first.NotAfter.Add(leafLifetime*2/3) {
			t.Errorf("got NotAfter %s, want %s", second.NotAfter, first.NotAfter.Add(leafLifetime*2/3))
		}
		// The certificate is renewed while the hub is unavailable.
		bundle, unavailable := h.published(), errors.New("connection refused")
		h.failRequests("*", "*", unavailable)
		for range 21 {
			<-time.After(24 * time.Hour)
			s.loop.Once(t.Context())
		}
		if err := trusts(bundle, served(t, s)); err != nil || served(t, s).Equal(second) {
			t.Errorf("while the hub was unavailable: got error %v, renewed %v; want a new certificate", err, !served(t, s).Equal(second))
		}
		if got := strings.Count(h.Log.String(), "cannot update the serving certificate"); got != 1 {
			t.Errorf("got %d log lines for the same error, want 1", got)
		}
	})
}

// TestRunReconcilesEachMinute changes the ConfigMap while a master runs.
func TestRunReconcilesEachMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFakeHub(t)
		s := h.replica()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		synctest.Wait()
		want := h.published()
		if want == "" {
			t.Error("got no published certificate")
		}
		h.PublishInstead(nil)
		<-time.After(keysecret.Period)
		synctest.Wait()
		if got := h.published(); got != want {
			t.Errorf("got %q published, want the certificates of before", got)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestCertificateSurvivesInvalidSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFakeHub(t)
		s := h.replica()
		s.loop.Once(t.Context())
		before, bundle := served(t, s), h.published()
		h.Put(map[string][]byte{"x": {1}})
		s.loop.Once(t.Context())
		if !served(t, s).Equal(before) || h.published() != bundle || s.Ready() != nil {
			t.Error("got another certificate, or none, want the same")
		}
		// An emptied Secret is filled with another CA, which signs at once.
		h.Put(nil)
		s.loop.Once(t.Context())
		if h.published() == bundle {
			t.Error("got the same CA, want another one")
		}
		if err := trusts(h.published(), served(t, s)); err != nil {
			t.Error(err)
		}
	})
}

func TestChangedConfigMapIsRestored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFakeHub(t)
		s := h.replica()
		s.loop.Once(t.Context())
		want := h.published()
		h.PublishInstead(map[string]string{caCertKey: "mine", "other": "stays"})
		s.loop.Once(t.Context())
		if got := h.Published(); got[caCertKey] != want || got["other"] != "stays" {
			t.Errorf("got %v, want ca.crt restored and the other key kept", got)
		}
	})
}

func TestHubErrorsSayWhatToDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, object, nil)
		for want, prepare := range map[string]func(h fakeHub){
			"the Secret rollcall-system/rollcall-master-ca does not exist: apply config/master": func(h fakeHub) {
				_ = h.API.CoreV1().Secrets(namespace).Delete(t.Context(), object, metav1.DeleteOptions{})
			},
			"the ConfigMap rollcall-system/rollcall-master-ca does not exist": func(h fakeHub) {
				_ = h.API.CoreV1().ConfigMaps(namespace).Delete(t.Context(), object, metav1.DeleteOptions{})
			},
			"needs get and update on the Secret rollcall-system/rollcall-master-ca, which the Role rollcall-master-serving-ca": func(h fakeHub) {
				var err error = forbidden
				h.failRequests("update", "secrets", err)
			},
			"needs get and update on the ConfigMap": func(h fakeHub) {
				var err error = forbidden
				h.failRequests("update", "configmaps", err)
			},
		} {
			h := newFakeHub(t)
			prepare(h)
			s := h.replica()
			s.loop.Once(t.Context())
			if s.Ready() == nil || !strings.Contains(h.Log.String(), want) {
				t.Errorf("got readiness %v and log\n%s\nwant %s", s.Ready(), &h.Log, want)
			}
		}
	})
}

// TestReplicaWaitsForHub starts a replica while the hub is unavailable.
func TestReplicaWaitsForHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFakeHub(t)
		available := h.failRequests("*", "*", errors.New("connection refused"))
		s := h.replica()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		<-time.After(time.Hour)
		if err := s.Ready(); err == nil || strings.Contains(err.Error(), "connection refused") {
			t.Errorf("got readiness %v, want an error without that of the hub", err)
		}
		available()
		<-time.After(keysecret.RetryPeriod)
		synctest.Wait()
		if err := trusts(h.published(), served(t, s)); err != nil {
			t.Error(err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestClientsVerifyTheServer(t *testing.T) {
	h := newFakeHub(t)
	s := h.replica()
	s.loop.Once(t.Context())
	listener, err := tls.Listen("tcp", "127.0.0.1:0", s.TLSConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	accepted := make(chan struct{})
	go func() {
		defer close(accepted)
		if c, err := listener.Accept(); err == nil {
			_ = c.(*tls.Conn).Handshake()
			_ = c.Close()
		}
	}()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(h.published()))
	c, err := tls.Dial("tcp", listener.Addr().String(), &tls.Config{RootCAs: pool})
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	<-accepted
}
