package servingcert

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/util/retry"
)

const (
	// syncPeriod is the time between two reconciliations. retryPeriod replaces it until there is a
	// certificate.
	syncPeriod  = time.Minute
	retryPeriod = 2 * time.Second
	// syncTimeout limits the requests of one reconciliation.
	syncTimeout = 15 * time.Second
)

// Config configures a Source.
type Config struct {
	// Secrets and ConfigMaps are clients for the objects in Namespace.
	Secrets    typedcorev1.SecretInterface
	ConfigMaps typedcorev1.ConfigMapInterface
	// Namespace is used in messages.
	Namespace string
	// Secret and ConfigMap name the objects; see the package's documentation.
	Secret, ConfigMap string
	// Hosts are the DNS names and IP addresses of the serving certificate.
	Hosts []string
	Log   *slog.Logger
}

// Source provides a serving certificate that Run keeps up to date. Its methods may be called
// concurrently.
type Source struct {
	config Config

	mu          sync.Mutex
	authorities []authority      // as last read or created
	pair        *tls.Certificate // nil until the first certificate is signed
	issuer      authority        // the CA that signed pair
	err         error            // the error of the last reconciliation
}

// New returns a Source that has no certificate until Run is called.
func New(c Config) *Source { return &Source{config: c} }

// Run keeps the CA, the ConfigMap and the certificate up to date until ctx ends. It logs errors and
// tries again. The current certificate stays in use, and is renewed, meanwhile.
func (s *Source) Run(ctx context.Context) error {
	for {
		s.reconcile(ctx)
		wait := syncPeriod
		if s.Ready() != nil {
			wait = retryPeriod
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// GetCertificate implements tls.Config.GetCertificate.
func (s *Source) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pair == nil {
		return nil, errors.New("there is no serving certificate yet")
	}
	return s.pair, nil
}

// Ready returns an error if there is no serving certificate. Anyone can read the error, so it does
// not contain errors of the hub.
func (s *Source) Ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.pair != nil:
		return nil
	case s.err == nil:
		return errors.New("the serving certificate is being created")
	}
	return fmt.Errorf("there is no serving certificate, as its CA in the Secret %s/%s is not available; the log of this master has the reason", s.config.Namespace, s.config.Secret)
}

// reconcile reads or creates the CA, publishes it, and renews the certificate if needed.
func (s *Source) reconcile(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	all, err := s.sync(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.authorities = all
	}
	if len(s.authorities) > 0 {
		err = errors.Join(err, s.renewLocked(time.Now()))
	}
	if err != nil && (s.err == nil || s.err.Error() != err.Error()) && !errors.Is(err, context.Canceled) {
		s.config.Log.Error("cannot update the serving certificate or its CA", "error", err)
	}
	s.err = err
}

// renewLocked signs a certificate if there is none, if two thirds of its lifetime have passed, or if
// the signing CA has changed.
func (s *Source) renewLocked(now time.Time) error {
	issuer, err := signer(s.authorities, now)
	if err != nil {
		return err
	}
	if s.pair != nil && issuer.cert.Equal(s.issuer.cert) && !needsRenewal(s.pair.Leaf, now) {
		return nil
	}
	pair, err := issuer.sign(s.config.Hosts, now)
	if err != nil {
		return err
	}
	s.pair, s.issuer = pair, issuer
	s.config.Log.Info("serving with a certificate signed by the masters' CA", "ca", issuer.cert.Subject.CommonName, "until", pair.Leaf.NotAfter,
		"published", s.config.Namespace+"/"+s.config.ConfigMap)
	return nil
}

// sync returns the CAs after it has updated the Secret and the ConfigMap. It retries if another
// replica updated one of them concurrently.
func (s *Source) sync(ctx context.Context) (all []authority, err error) {
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		all, err = s.syncOnce(ctx)
		return err
	})
	return all, err
}

// syncOnce creates missing CAs in the Secret and publishes all CAs in the ConfigMap. It reads the
// ConfigMap first, so that its update conflicts if a replica that has read a newer Secret was faster.
func (s *Source) syncOnce(ctx context.Context) ([]authority, error) {
	published, err := s.config.ConfigMaps.Get(ctx, s.config.ConfigMap, metav1.GetOptions{})
	if err != nil {
		return nil, s.explain("ConfigMap", s.config.ConfigMap, err)
	}
	secret, err := s.config.Secrets.Get(ctx, s.config.Secret, metav1.GetOptions{})
	if err != nil {
		return nil, s.explain("Secret", s.config.Secret, err)
	}
	all, err := s.fillSecret(ctx, secret)
	if err != nil {
		return nil, err
	}
	content, err := bundle(all)
	if err != nil {
		return nil, err
	}
	if published.Data[caCertKey] == string(content) {
		return all, nil
	}
	published = published.DeepCopy()
	if published.Data == nil {
		published.Data = map[string]string{}
	}
	published.Data[caCertKey] = string(content)
	_, err = s.config.ConfigMaps.Update(ctx, published, metav1.UpdateOptions{})
	return all, s.explain("ConfigMap", s.config.ConfigMap, err)
}

// fillSecret returns the CAs of the Secret. It updates the Secret if a CA is missing or has expired.
func (s *Source) fillSecret(ctx context.Context, secret *corev1.Secret) ([]authority, error) {
	existing, err := parse(secret.Data)
	if err != nil {
		return nil, fmt.Errorf("the Secret %[1]s/%[2]s does not contain a CA of the masters: %[3]w. It is not overwritten: if its content is not needed, have a new CA created by `kubectl -n %[1]s patch secret %[2]s --type=merge -p '{\"data\":null}'`",
			s.config.Namespace, s.config.Secret, err)
	}
	desired, changed, err := plan(existing, time.Now())
	if err != nil || !changed {
		return desired, err
	}
	data, err := encode(desired)
	if err != nil {
		return nil, err
	}
	secret = secret.DeepCopy()
	secret.Data = data
	if _, err := s.config.Secrets.Update(ctx, secret, metav1.UpdateOptions{}); err != nil {
		return nil, s.explain("Secret", s.config.Secret, err)
	}
	s.config.Log.Info("created a CA for the serving certificates of all masters", "secret", s.config.Namespace+"/"+s.config.Secret,
		"ca", desired[len(desired)-1].cert.Subject.CommonName, "until", desired[len(desired)-1].cert.NotAfter)
	return desired, nil
}

// explain adds to an error of the hub what to do about it. Conflicts stay detectable.
func (s *Source) explain(kind, name string, err error) error {
	object := fmt.Sprintf("the %s %s/%s", kind, s.config.Namespace, name)
	switch {
	case err == nil:
		return nil
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%s does not exist: apply config/master, which creates it empty, or set --tls-cert-file and --tls-key-file: %w", object, err)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("the master needs get and update on %s, which the Role rollcall-master-serving-ca of config/rbac/master grants: %w", object, err)
	}
	return fmt.Errorf("read or write %s: %w", object, err)
}

// TLSConfig returns a configuration of TLS 1.2 or newer that serves the certificate.
func (s *Source) TLSConfig() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.GetCertificate}
}
