package servingcert

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	clienttesting "k8s.io/client-go/testing"
)

const (
	namespace = "rollcall-system"
	object    = "rollcall-master-ca"
	service   = "rollcall-master.rollcall-system.svc"
)

// world is a hub with the two objects as config/master brings them.
type fakeHub struct {
	t   *testing.T
	hub *fake.Clientset
	log bytes.Buffer
}

func newFakeHub(t *testing.T) *fakeHub {
	meta := metav1.ObjectMeta{Namespace: namespace, Name: object}
	return &fakeHub{t: t, hub: fake.NewClientset(&corev1.Secret{ObjectMeta: meta}, &corev1.ConfigMap{ObjectMeta: meta})}
}

// replica returns the Source of one more master.
func (w *fakeHub) replica() *Source {
	return New(Config{
		Secrets: w.hub.CoreV1().Secrets(namespace), ConfigMaps: w.hub.CoreV1().ConfigMaps(namespace), Namespace: namespace,
		Secret: object, ConfigMap: object, Hosts: Hosts("rollcall-master", namespace, "203.0.113.9", "rollcall.example"), Log: slog.New(slog.NewTextHandler(&w.log, nil)),
	})
}

func (w *fakeHub) secret() *corev1.Secret {
	w.t.Helper()
	secret, err := w.hub.CoreV1().Secrets(namespace).Get(context.Background(), object, metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return secret
}

// put writes the Secret's data as somebody else would.
func (w *fakeHub) put(data map[string][]byte) {
	w.t.Helper()
	secret := w.secret()
	secret.Data = data
	if _, err := w.hub.CoreV1().Secrets(namespace).Update(context.Background(), secret, metav1.UpdateOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

// published returns what clients read from the ConfigMap now.
func (w *fakeHub) published() string {
	w.t.Helper()
	published, err := w.hub.CoreV1().ConfigMaps(namespace).Get(context.Background(), object, metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return published.Data[caKey]
}

// served returns the certificate that a replica shows.
func served(t *testing.T, s *Source) *x509.Certificate {
	t.Helper()
	pair, err := s.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf
}

// trusts says whether a client that has read the ConfigMap accepts a certificate now.
func trusts(bundle string, leaf *x509.Certificate) error {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(bundle))
	_, err := leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: service, CurrentTime: time.Now()})
	return err
}

// fails makes requests of a verb for a resource fail with err until the returned function
// is called.
func (w *fakeHub) fails(verb, resource string, err error) (stop func()) {
	var over atomic.Bool
	w.hub.PrependReactor(verb, resource, func(clienttesting.Action) (bool, runtime.Object, error) { return !over.Load(), nil, err })
	return func() { over.Store(true) }
}

func TestReplicasShareOneCA(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeHub(t)
		var all []*Source
		for range 3 {
			all = append(all, w.replica())
		}
		if err := all[0].Ready(); err == nil {
			t.Error("ready before there is a certificate")
		}
		if _, err := all[0].GetCertificate(nil); err == nil {
			t.Error("there is a certificate before Run")
		}
		for _, s := range all {
			s.reconcile(t.Context())
			if err := s.Ready(); err != nil {
				t.Error(err)
			}
		}
		keys := map[string]bool{}
		for _, s := range all {
			leaf := served(t, s)
			if err := trusts(w.published(), leaf); err != nil {
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
			t.Errorf("%d keys of three replicas, want one each", len(keys))
		}
		if got := strings.Count(w.published(), "BEGIN CERTIFICATE"); got != 1 {
			t.Errorf("%d certificates are published, want 1", got)
		}
		if strings.Contains(w.published(), "PRIVATE KEY") || strings.Contains(w.log.String(), "PRIVATE KEY") {
			t.Error("a private key is shown")
		}
	})
}

// raced is a Secret that another replica writes between one's first reading and writing it.
type racingSecrets struct {
	typedcorev1.SecretInterface
	other func()
}

func (r *racingSecrets) Update(ctx context.Context, secret *corev1.Secret, options metav1.UpdateOptions) (*corev1.Secret, error) {
	if other := r.other; other != nil {
		r.other = nil
		other()
		return nil, apierrors.NewConflict(schema.GroupResource{Resource: "secrets"}, secret.Name, errors.New("somebody was faster"))
	}
	return r.SecretInterface.Update(ctx, secret, options)
}

// TestTheFirstOfTwoReplicasWins has another replica write the Secret between one's reading
// and writing it.
func TestConcurrentReplicasAgreeOnOneCA(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeHub(t)
		first, second := w.replica(), w.replica()
		second.config.Secrets = &racingSecrets{SecretInterface: second.config.Secrets, other: func() { first.reconcile(t.Context()) }}
		second.reconcile(t.Context())
		if !first.by.cert.Equal(second.by.cert) {
			t.Errorf("signed by %s and %s, want the same CA", first.by.cert.Subject, second.by.cert.Subject)
		}
		for _, s := range []*Source{first, second} {
			if err := trusts(w.published(), served(t, s)); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestCertificateRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeHub(t)
		s := w.replica()
		s.reconcile(t.Context())
		first := served(t, s)
		<-time.After(leafLifetime*2/3 - time.Second)
		s.reconcile(t.Context())
		if !served(t, s).Equal(first) {
			t.Error("made anew before two thirds of its life were over")
		}
		<-time.After(time.Second)
		s.reconcile(t.Context())
		second := served(t, s)
		if second.Equal(first) || second.NotAfter != first.NotAfter.Add(leafLifetime*2/3) {
			t.Errorf("it ends at %s, want %s", second.NotAfter, first.NotAfter.Add(leafLifetime*2/3))
		}
		// An API server that is away keeps no certificate from being renewed.
		bundle, away := w.published(), errors.New("connection refused")
		w.fails("*", "*", away)
		for range 21 {
			<-time.After(24 * time.Hour)
			s.reconcile(t.Context())
		}
		if err := trusts(bundle, served(t, s)); err != nil || served(t, s).Equal(second) {
			t.Errorf("while the hub was away: %v, renewed %v; want a new certificate", err, !served(t, s).Equal(second))
		}
		if got := strings.Count(w.log.String(), "cannot be kept up to date"); got != 1 {
			t.Errorf("logged the same failure %d times, want once", got)
		}
	})
}

// TestRunTurnsEachMinute has the ConfigMap changed while a master runs.
func TestRunReconcilesEachMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeHub(t)
		s := w.replica()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		synctest.Wait()
		want := w.published()
		if want == "" {
			t.Error("nothing is published")
		}
		if _, err := w.hub.CoreV1().ConfigMaps(namespace).Update(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: object}}, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		<-time.After(syncPeriod)
		synctest.Wait()
		if got := w.published(); got != want {
			t.Errorf("published is %q, want what was", got)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestCertificateSurvivesInvalidSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeHub(t)
		s := w.replica()
		s.reconcile(t.Context())
		before, bundle := served(t, s), w.published()
		w.put(map[string][]byte{"x": {1}})
		s.reconcile(t.Context())
		if !served(t, s).Equal(before) || w.published() != bundle || s.Ready() != nil {
			t.Error("it serves another certificate, or none")
		}
		// Emptied, it is filled with another CA, which signs at once.
		w.put(nil)
		s.reconcile(t.Context())
		if w.published() == bundle {
			t.Error("no other CA was made")
		}
		if err := trusts(w.published(), served(t, s)); err != nil {
			t.Error(err)
		}
	})
}

func TestChangedConfigMapIsRestored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeHub(t)
		s := w.replica()
		s.reconcile(t.Context())
		want := w.published()
		changed := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: object}, Data: map[string]string{caKey: "mine", "other": "stays"}}
		if _, err := w.hub.CoreV1().ConfigMaps(namespace).Update(t.Context(), changed, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		s.reconcile(t.Context())
		published, err := w.hub.CoreV1().ConfigMaps(namespace).Get(t.Context(), object, metav1.GetOptions{})
		if err != nil || published.Data[caKey] != want || published.Data["other"] != "stays" {
			t.Errorf("%v, %v; want ca.crt as it was, and what else is there", published.Data, err)
		}
	})
}

func TestHubErrorsSayWhatToDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, object, nil)
		for want, prepare := range map[string]func(w *fakeHub){
			"the Secret rollcall-system/rollcall-master-ca is not there: apply config/master": func(w *fakeHub) {
				_ = w.hub.CoreV1().Secrets(namespace).Delete(t.Context(), object, metav1.DeleteOptions{})
			},
			"the ConfigMap rollcall-system/rollcall-master-ca is not there": func(w *fakeHub) {
				_ = w.hub.CoreV1().ConfigMaps(namespace).Delete(t.Context(), object, metav1.DeleteOptions{})
			},
			"needs get and update on the Secret rollcall-system/rollcall-master-ca, which the Role rollcall-master-serving-ca": func(w *fakeHub) {
				var err error = forbidden
				w.fails("update", "secrets", err)
			},
			"needs get and update on the ConfigMap": func(w *fakeHub) {
				var err error = forbidden
				w.fails("update", "configmaps", err)
			},
		} {
			w := newFakeHub(t)
			prepare(w)
			s := w.replica()
			s.reconcile(t.Context())
			if s.Ready() == nil || !strings.Contains(w.log.String(), want) {
				t.Errorf("ready says %v, and the log\n%s\nwant %s", s.Ready(), &w.log, want)
			}
		}
	})
}

// TestANewReplicaWaitsForTheHub begins while the API server is away.
func TestReplicaWaitsForHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeHub(t)
		away := errors.New("connection refused")
		back := w.fails("*", "*", away)
		s := w.replica()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		<-time.After(time.Hour)
		if err := s.Ready(); err == nil || strings.Contains(err.Error(), "connection refused") {
			t.Errorf("ready says %v, want that there is none, without the hub's error", err)
		}
		back()
		<-time.After(retryPeriod)
		synctest.Wait()
		if err := trusts(w.published(), served(t, s)); err != nil {
			t.Error(err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestClientsVerifyTheServer(t *testing.T) {
	w := newFakeHub(t)
	s := w.replica()
	s.reconcile(t.Context())
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
	pool.AppendCertsFromPEM([]byte(w.published()))
	c, err := tls.Dial("tcp", listener.Addr().String(), &tls.Config{RootCAs: pool})
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	<-accepted
}
