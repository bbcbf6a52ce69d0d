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

	"rollcall.dev/rollcall/api/keysecret"
)

// Config configures a Source.
type Config struct {
	// Secrets and ConfigMaps are clients for the objects in Namespace.
	Secrets    keysecret.Client[*corev1.Secret]
	ConfigMaps keysecret.Client[*corev1.ConfigMap]
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
	config  Config
	objects keysecret.Objects
	loop    keysecret.Loop

	mu          sync.Mutex
	authorities []authority      // as last read or created
	pair        *tls.Certificate // nil until the first certificate is signed
	issuer      authority        // the CA that signed pair
	err         error            // the error of the last synchronization
}

// New returns a Source that has no certificate until Run is called.
func New(c Config) *Source {
	s := &Source{config: c}
	s.objects = keysecret.Objects{
		Secrets: c.Secrets, ConfigMaps: c.ConfigMaps, Namespace: c.Namespace, Secret: c.Secret, ConfigMap: c.ConfigMap,
		Content: "a CA of the masters", Process: "master", Tree: "config/master", Role: "rollcall-master-serving-ca of config/rbac/master",
		Files: "--tls-cert-file and --tls-key-file",
	}
	s.loop = keysecret.Loop{Sync: s.sync, Ready: s.Ready, LogError: func(err error) { c.Log.Error("cannot update the serving certificate or its CA", "error", err) }}
	return s
}

// Run keeps the CA, the ConfigMap and the certificate up to date until ctx ends. It logs errors and
// tries again. The current certificate stays in use, and is renewed, meanwhile.
func (s *Source) Run(ctx context.Context) error { return s.loop.Run(ctx) }

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

// sync reads or creates the CA, publishes it, and renews the certificate if needed.
func (s *Source) sync(ctx context.Context) error {
	var all []authority
	created := false
	err := s.objects.Sync(ctx, func(data map[string][]byte) (changed map[string][]byte, public map[string]string, err error) {
		all, changed, err = fill(data, time.Now())
		created = len(changed) > 0
		if err != nil {
			return nil, nil, err
		}
		certs, err := bundle(all)
		return changed, map[string]string{caCertKey: string(certs)}, err
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.authorities = all
		if created {
			newest := all[len(all)-1].cert
			s.config.Log.Info("created a CA for the serving certificates of all masters", "secret", s.config.Namespace+"/"+s.config.Secret,
				"ca", newest.Subject.CommonName, "until", newest.NotAfter)
		}
	}
	if len(s.authorities) > 0 {
		err = errors.Join(err, s.renewLocked(time.Now()))
	}
	s.err = err
	return err
}

// fill returns the CAs that should exist, and the data to store if they differ from those in the data of the Secret.
func fill(data map[string][]byte, now time.Time) (desired []authority, changed map[string][]byte, err error) {
	existing, err := parse(data)
	if err != nil {
		return nil, nil, err
	}
	desired, differ, err := plan(existing, now)
	if err == nil && differ {
		changed, err = encode(desired)
	}
	return desired, changed, err
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

// TLSConfig returns a configuration of TLS 1.2 or newer that serves the certificate.
func (s *Source) TLSConfig() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.GetCertificate}
}
