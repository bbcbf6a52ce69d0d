package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"

	"k8s.io/client-go/rest"

	"rollcall.dev/rollcall/api/keysecret"
	"rollcall.dev/rollcall/api/tlsfiles"
)

// Entries of the Secret, as in a Secret of the type kubernetes.io/tls, and of the ConfigMap.
const (
	certificateEntry = "tls.crt"
	privateKeyEntry  = "tls.key"
	pinEntry         = "pin"
)

// ownCertificate keeps the serving certificate that the agent makes at its first start in a Secret. Its pin is
// published in a ConfigMap.
type ownCertificate struct {
	objects keysecret.Objects
	loop    keysecret.Loop
	log     *slog.Logger

	mu       sync.Mutex
	stored   tlsfiles.Pair    // as in the Secret
	pair     *tls.Certificate // nil until the Secret has been read or filled
	rotation rotation
}

// newOwnCertificate returns the certificate in the Secret of --tls-secret, which is empty until run is called. It
// returns nil if there is no such Secret, or if certificate files take precedence.
func newOwnCertificate(cfg *Config, cluster *rest.Config) (*ownCertificate, error) {
	if !cfg.usesOwnCertificate() {
		return nil, nil
	}
	namespace := keysecret.PodNamespace()
	secrets, configMaps, err := keysecret.NewClients(cluster, namespace)
	if err != nil {
		return nil, err
	}
	return newCertificate(keysecret.Objects{
		Secrets: secrets, ConfigMaps: configMaps, Namespace: namespace, Secret: cfg.TLSSecret, ConfigMap: cfg.TLSPinConfigMap,
	}, cfg.Log), nil
}

// newCertificate returns the certificate in the Secret of objects.
func newCertificate(objects keysecret.Objects, log *slog.Logger) *ownCertificate {
	objects.Content, objects.Process, objects.Tree = "a certificate and its key", "agent", "config/agent"
	objects.Role, objects.Files = "rollcall-agent-key of config/rbac/agent", "--tls-cert-file and --tls-key-file"
	objects.Replaced = ", and set its pin in the ClusterAgent on the hub"
	c := &ownCertificate{objects: objects, log: log, rotation: newRotation()}
	c.loop = keysecret.Loop{Wake: c.rotation.wake, Sync: c.sync, Ready: c.ready, LogError: func(err error) { log.Error("cannot read or store the agent's key", "error", err) }}
	return c
}

// run keeps the certificate, the Secret and the ConfigMap in agreement until ctx is done.
func (c *ownCertificate) run(ctx context.Context) error { return c.loop.Run(ctx) }

// contents is what the Secret contains, or will contain.
type contents struct {
	pair   tlsfiles.Pair
	parsed tls.Certificate
	// stored reports whether the Secret had no pair.
	stored bool
	// next is the certificate of the next key, or nil.
	next *tls.Certificate
}

// sync reads the pair in the Secret. If the Secret is empty, it stores the current pair, or a new one, in it. If the
// Secret asks for another key, it stores the next pair, and replaces the current one by it when the hub accepts it.
func (c *ownCertificate) sync(ctx context.Context) error {
	var found contents
	err := c.objects.Sync(ctx, func(data map[string][]byte) (changed map[string][]byte, public map[string]string, err error) {
		found, changed, err = c.read(data)
		if err != nil {
			return nil, nil, err
		}
		public = map[string]string{pinEntry: tlsfiles.Pin(found.parsed.Leaf)}
		if found.next != nil {
			public[nextPinEntry] = tlsfiles.Pin(found.next.Leaf)
		} else if c.publishedNext() {
			public[nextPinEntry] = ""
		}
		return changed, public, nil
	})
	if err != nil {
		return err
	}
	c.use(found.pair, found.parsed, found.stored)
	c.setNext(found.next)
	return nil
}

// read decides what to do with the content of the Secret, and returns what to change in it.
func (c *ownCertificate) read(data map[string][]byte) (found contents, changed map[string][]byte, err error) {
	if changed, err = rotate(data, c.acceptedNext()); err != nil {
		return found, nil, err
	}
	after := maps.Clone(data)
	maps.Copy(after, changed)
	found.pair = tlsfiles.Pair{Cert: after[certificateEntry], Key: after[privateKeyEntry]}
	if len(found.pair.Cert) == 0 && len(found.pair.Key) == 0 {
		found.stored = true
		if found.pair, err = c.currentOrNew(); err != nil {
			return found, nil, err
		}
		changed[certificateEntry], changed[privateKeyEntry] = found.pair.Cert, found.pair.Key
	}
	if found.parsed, err = parsePair(found.pair); err != nil {
		return found, nil, err
	}
	if len(after[nextPrivateKeyEntry]) > 0 {
		next, err := parsePair(tlsfiles.Pair{Cert: after[nextCertificateEntry], Key: after[nextPrivateKeyEntry]})
		if err != nil {
			return found, nil, fmt.Errorf("the next key: %w", err)
		}
		found.next = &next
	}
	return found, changed, nil
}

// currentOrNew returns the pair in use, or a new one.
func (c *ownCertificate) currentOrNew() (tlsfiles.Pair, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pair != nil {
		return c.stored, nil
	}
	return tlsfiles.SelfSigned(certificateName, []string{certificateName}, certificateDuration)
}

// parsePair returns the certificate of a pair. Its errors contain no part of the key.
func parsePair(pair tlsfiles.Pair) (tls.Certificate, error) {
	for entry, content := range map[string][]byte{certificateEntry: pair.Cert, privateKeyEntry: pair.Key} {
		if len(content) == 0 {
			return tls.Certificate{}, fmt.Errorf("%s is missing or empty", entry)
		}
	}
	return pair.Certificate()
}

// use serves with a pair. stored tells whether the Secret was empty.
func (c *ownCertificate) use(pair tlsfiles.Pair, parsed tls.Certificate, stored bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	secret := slog.String("secret", c.objects.Namespace+"/"+c.objects.Secret)
	pin := slog.String("pin", tlsfiles.Pin(parsed.Leaf))
	published := slog.String("published", c.objects.Namespace+"/"+c.objects.ConfigMap)
	switch {
	case c.pair == nil && stored:
		c.log.Info("created the agent's key; set its pin in spec.tls.pinnedSHA256 of the ClusterAgent on the hub", pin, secret, published)
	case c.pair == nil:
		c.log.Info("serving with the agent's key", pin, secret, published)
	case stored:
		c.log.Warn("the Secret of the agent's key was emptied; stored the key in use again", pin, secret)
	case string(pair.Cert) != string(c.stored.Cert) || string(pair.Key) != string(c.stored.Key):
		c.log.Info("the certificate in the Secret was replaced; serving with the new one", pin, secret, published)
		notify(c.rotation.changed)
	}
	c.stored, c.pair = pair, &parsed
}

// ready returns an error if there is no certificate yet. Anyone can read the error, so it does not contain errors of
// the API server.
func (c *ownCertificate) ready() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pair == nil {
		return fmt.Errorf("the agent's key has not been read from or stored in the Secret %s/%s yet; if this lasts, the log of the agent has the reason", c.objects.Namespace, c.objects.Secret)
	}
	return nil
}

// getCertificate implements tls.Config.GetCertificate.
func (c *ownCertificate) getCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pair == nil {
		return nil, errors.New("there is no serving certificate yet")
	}
	return c.pair, nil
}
