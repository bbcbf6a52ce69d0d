package servingcert

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"strings"
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
type world struct {
	t   *testing.T
	hub *fake.Clientset
	log bytes.Buffer
}

func newWorld(t *testing.T) *world {
	meta := metav1.ObjectMeta{Namespace: namespace, Name: object}
	return &world{t: t, hub: fake.NewClientset(&corev1.Secret{ObjectMeta: meta}, &corev1.ConfigMap{ObjectMeta: meta})}
}

// replica returns the Source of one more master.
func (w *world) replica() *Source {
	return New(Config{
		Secrets: w.hub.CoreV1().Secrets(namespace), ConfigMaps: w.hub.CoreV1().ConfigMaps(namespace), Namespace: namespace,
		Secret: object, ConfigMap: object, Hosts: Hosts("rollcall-master", namespace, "203.0.113.9", "rollcall.example"), Log: slog.New(slog.NewTextHandler(&w.log, nil)),
	})
}

func (w *world) secret() *corev1.Secret {
	w.t.Helper()
	secret, err := w.hub.CoreV1().Secrets(namespace).Get(context.Background(), object, metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return secret
}

// put writes the Secret's data as somebody else would.
func (w *world) put(data map[string][]byte) {
	w.t.Helper()
	secret := w.secret()
	secret.Data = data
	if _, err := w.hub.CoreV1().Secrets(namespace).Update(context.Background(), secret, metav1.UpdateOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

// published returns what clients read from the ConfigMap now.
func (w *world) published() string {
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

// fails has requests of a verb for a kind fail from now on, until err is set to nil.
func (w *world) fails(verb, resource string, err *error) {
	w.hub.PrependReactor(verb, resource, func(clienttesting.Action) (bool, runtime.Object, error) { return *err != nil, nil, *err })
}

func TestAllReplicasServeByOneCAThatIsPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
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
			s.turn(t.Context())
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
type raced struct {
	typedcorev1.SecretInterface
	other func()
}

func (r *raced) Update(ctx context.Context, secret *corev1.Secret, options metav1.UpdateOptions) (*corev1.Secret, error) {
	if other := r.other; other != nil {
		r.other = nil
		other()
		return nil, apierrors.NewConflict(schema.GroupResource{Resource: "secrets"}, secret.Name, errors.New("somebody was faster"))
	}
	return r.SecretInterface.Update(ctx, secret, options)
}

// TestTheFirstOfTwoReplicasWins has another replica write the Secret between one's reading
// and writing it.
func TestTheFirstOfTwoReplicasWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first, second := w.replica(), w.replica()
		second.config.Secrets = &raced{SecretInterface: second.config.Secrets, other: func() { first.turn(t.Context()) }}
		second.turn(t.Context())
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

func TestACertificateIsMadeAnewAfterTwoThirdsOfItsLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.replica()
		s.turn(t.Context())
		first := served(t, s)
		time.Sleep(leafLifetime*2/3 - time.Second)
		s.turn(t.Context())
		if !served(t, s).Equal(first) {
			t.Error("made anew before two thirds of its life were over")
		}
		time.Sleep(time.Second)
		s.turn(t.Context())
		second := served(t, s)
		if second.Equal(first) || second.NotAfter != first.NotAfter.Add(leafLifetime*2/3) {
			t.Errorf("it ends at %s, want %s", second.NotAfter, first.NotAfter.Add(leafLifetime*2/3))
		}
		// An API server that is away keeps no certificate from being renewed.
		bundle, away := w.published(), errors.New("connection refused")
		w.fails("*", "*", &away)
		for range 21 {
			time.Sleep(24 * time.Hour)
			s.turn(t.Context())
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
func TestRunTurnsEachMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
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
		time.Sleep(syncPeriod)
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

// TestACAIsRenewedWhileClientsKnowBoth goes through twenty-five years by weeks. A client that
// read the ConfigMap within the last half a year, but for what a turn may be late,
// accepts every certificate.
func TestACAIsRenewedWhileClientsKnowBoth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		old, late := w.replica(), w.replica()
		var bundles []string
		signers := map[string]bool{}
		const week = 7 * 24 * time.Hour
		for n := range 25 * 52 {
			old.turn(t.Context())
			if n%2 == 0 {
				late.turn(t.Context()) // this one is cut off every other week
			}
			bundles = append(bundles, w.published())
			if n := strings.Count(w.published(), "BEGIN CERTIFICATE"); n > 2 {
				t.Fatalf("%d certificates are published, want 2 at most", n)
			}
			known := bundles[max(0, len(bundles)-int(signAfter/week)+2)]
			for _, s := range []*Source{old, late} {
				if err := trusts(known, served(t, s)); err != nil {
					t.Fatalf("week %d: %v", n, err)
				}
				signers[s.by.cert.Subject.CommonName] = true
			}
			time.Sleep(week)
		}
		if len(signers) != 3 {
			t.Errorf("%d CAs signed in 25 years, want 3", len(signers))
		}
	})
}

// TestACAThatHasEndedIsReplacedAtOnce is of a hub whose masters were off for eleven years.
func TestACAThatHasEndedIsReplacedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.replica().turn(t.Context())
		for _, off := range []time.Duration{11 * 365 * 24 * time.Hour, 10*365*24*time.Hour - time.Hour, 20 * 24 * time.Hour} {
			time.Sleep(off)
			s := w.replica()
			s.turn(t.Context())
			if err := trusts(w.published(), served(t, s)); err != nil {
				t.Errorf("after %s: %v", off, err)
			}
		}
	})
}

func TestWhatIsNotAMastersCAIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.replica().turn(t.Context())
		good := w.secret().Data
		time.Sleep(time.Hour)
		w.put(nil)
		w.replica().turn(t.Context())
		other := w.secret().Data
		foreign, err := foreignCA()
		if err != nil {
			t.Fatal(err)
		}
		for want, data := range map[string]map[string][]byte{
			`has the key "tls.crt"`:             {"tls.crt": good[caKey], "tls.key": good[privateCAKey]},
			"ca.crt cannot be read":             {caKey: []byte("nonsense"), privateCAKey: good[privateCAKey]},
			"ca.crt cannot be read: data":       {privateCAKey: good[privateCAKey]},
			"ca.key has no private key":         {caKey: good[caKey]},
			"key 1 of ca.key cannot be read":    {caKey: good[caKey], privateCAKey: []byte("-----BEGIN EC PRIVATE KEY-----\nbm9uc2Vuc2U=\n-----END EC PRIVATE KEY-----\n")},
			"key 1 of ca.key does not belong":   {caKey: good[caKey], privateCAKey: other[privateCAKey]},
			"2 certificates and ca.key has 1":   {caKey: append(bytes.Clone(good[caKey]), other[caKey]...), privateCAKey: good[privateCAKey]},
			"8 certificates and ca.key has 8":   {caKey: bytes.Repeat(good[caKey], 8), privateCAKey: bytes.Repeat(good[privateCAKey], 8)},
			`"somebody's", which is no CA that`: foreign,
			"and should have ca.crt and ca.key": {caKey: good[caKey], privateCAKey: good[privateCAKey], "more": []byte("x")},
		} {
			w.put(data)
			w.log.Reset()
			s := w.replica()
			s.turn(t.Context())
			if err := s.Ready(); err == nil || !strings.Contains(err.Error(), "Secret rollcall-system/rollcall-master-ca") {
				t.Errorf("%s: ready says %v", want, err)
			}
			log := strings.ReplaceAll(w.log.String(), `\"`, `"`)
			if !strings.Contains(log, want) || !strings.Contains(log, "kubectl -n rollcall-system patch secret rollcall-master-ca") {
				t.Errorf("%s: the log says %s", want, log)
			}
			if strings.Contains(log, "PRIVATE KEY") || strings.Contains(log, "bm9uc2Vuc2U") {
				t.Errorf("%s: a key is shown: %s", want, log)
			}
			if got := w.secret().Data; len(got) != len(data) || !bytes.Equal(got[caKey], data[caKey]) {
				t.Errorf("%s: it was overwritten", want)
			}
		}
	})
}

// foreignCA returns a CA that somebody else made, and its key.
func foreignCA() (map[string][]byte, error) {
	a, err := newAuthority(time.Now())
	if err != nil {
		return nil, err
	}
	template := *a.cert
	template.Subject.CommonName, template.RawSubject = "somebody's", nil
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, a.key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	return encode([]authority{a})
}

func TestAReplicaThatServesStaysSoWhateverTheSecretHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.replica()
		s.turn(t.Context())
		before, bundle := served(t, s), w.published()
		w.put(map[string][]byte{"x": {1}})
		s.turn(t.Context())
		if !served(t, s).Equal(before) || w.published() != bundle || s.Ready() != nil {
			t.Error("it serves another certificate, or none")
		}
		// Emptied, it is filled with another CA, which signs at once.
		w.put(nil)
		s.turn(t.Context())
		if w.published() == bundle {
			t.Error("no other CA was made")
		}
		if err := trusts(w.published(), served(t, s)); err != nil {
			t.Error(err)
		}
	})
}

func TestAConfigMapThatWasChangedIsPutRight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.replica()
		s.turn(t.Context())
		want := w.published()
		changed := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: object}, Data: map[string]string{caKey: "mine", "other": "stays"}}
		if _, err := w.hub.CoreV1().ConfigMaps(namespace).Update(t.Context(), changed, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		s.turn(t.Context())
		published, err := w.hub.CoreV1().ConfigMaps(namespace).Get(t.Context(), object, metav1.GetOptions{})
		if err != nil || published.Data[caKey] != want || published.Data["other"] != "stays" {
			t.Errorf("%v, %v; want ca.crt as it was, and what else is there", published.Data, err)
		}
	})
}

func TestFailuresOfTheHubSayWhatToDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, object, nil)
		for want, prepare := range map[string]func(w *world){
			"the Secret rollcall-system/rollcall-master-ca is not there: apply config/master": func(w *world) {
				_ = w.hub.CoreV1().Secrets(namespace).Delete(t.Context(), object, metav1.DeleteOptions{})
			},
			"the ConfigMap rollcall-system/rollcall-master-ca is not there": func(w *world) {
				_ = w.hub.CoreV1().ConfigMaps(namespace).Delete(t.Context(), object, metav1.DeleteOptions{})
			},
			"needs get and update on the Secret rollcall-system/rollcall-master-ca, which the Role rollcall-master-serving-ca": func(w *world) {
				var err error = forbidden
				w.fails("update", "secrets", &err)
			},
			"needs get and update on the ConfigMap": func(w *world) {
				var err error = forbidden
				w.fails("update", "configmaps", &err)
			},
		} {
			w := newWorld(t)
			prepare(w)
			s := w.replica()
			s.turn(t.Context())
			if s.Ready() == nil || !strings.Contains(w.log.String(), want) {
				t.Errorf("ready says %v, and the log\n%s\nwant %s", s.Ready(), &w.log, want)
			}
		}
	})
}

// TestANewReplicaWaitsForTheHub begins while the API server is away.
func TestANewReplicaWaitsForTheHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		away := errors.New("connection refused")
		w.fails("*", "*", &away)
		s := w.replica()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		time.Sleep(time.Hour)
		if err := s.Ready(); err == nil || strings.Contains(err.Error(), "connection refused") {
			t.Errorf("ready says %v, want that there is none, without the hub's error", err)
		}
		away = nil
		time.Sleep(retryPeriod)
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
	w := newWorld(t)
	s := w.replica()
	s.turn(t.Context())
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

// FuzzParse gives anything to who reads the Secret: it is a CA that can sign, nothing, or an
// error.
func FuzzParse(f *testing.F) {
	a, err := newAuthority(time.Now())
	if err != nil {
		f.Fatal(err)
	}
	data, err := encode([]authority{a})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data[caKey], data[privateCAKey])
	f.Add(data[privateCAKey], data[caKey])
	f.Add([]byte{}, []byte("-----BEGIN EC PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, certs, keys []byte) {
		all, err := parse(map[string][]byte{caKey: certs, privateCAKey: keys})
		if err != nil {
			return
		}
		for _, a := range all {
			if _, err := a.sign([]string{service}, time.Now()); err != nil {
				t.Errorf("it was read, and does not sign: %v", err)
			}
		}
	})
}
