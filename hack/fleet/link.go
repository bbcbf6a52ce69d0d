package main

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"

	"rollcall.dev/rollcall/agent/dial"
	"rollcall.dev/rollcall/api/link"
	"rollcall.dev/rollcall/api/tlsfiles"
	"rollcall.dev/rollcall/api/token"
)

// hubFlags has the flags of agents that dial a hub.
type hubFlags struct{ address, pin, publicKeyFile string }

// validate returns an error that names the invalid flag.
func (h hubFlags) validate() error {
	if h.address == "" {
		return nil
	}
	if u, err := url.Parse(h.address); err != nil || u.Scheme != "wss" || u.Host == "" {
		return fmt.Errorf("--hub must be of the form wss://host:port, got %q", h.address)
	}
	if h.pin == "" || h.publicKeyFile == "" {
		return errors.New("--hub requires --hub-pin and --master-public-key-file")
	}
	return nil
}

// key returns the key of an agent that dials a hub. The same seed gives the same key, so that a cluster may be
// registered before its agent runs.
func (c config) key(name string) ed25519.PrivateKey {
	seed := sha256.Sum256(fmt.Appendf(nil, "fleet %d %s", c.seed, name))
	return ed25519.NewKeyFromSeed(seed[:])
}

// dialHub makes an agent dial the hub.
func (a *agent) dialHub(c config) error {
	key := c.key(a.name)
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("encode the public key of agent %s: %w", a.name, err)
	}
	hub, err := url.Parse(c.hub.address)
	if err != nil {
		return fmt.Errorf("parse --hub: %w", err)
	}
	a.pin = link.Fingerprint(der)
	a.dialer = dial.New(dial.Config{
		Target: func() (dial.Target, error) {
			return dial.Target{Hub: hub, Trust: tlsfiles.Trust{PinnedSHA256: []string{c.hub.pin}}}, nil
		},
		Cluster: a.name, Version: "fleet", UID: func() (string, bool) { return a.UID(), true }, Key: func() (crypto.Signer, error) { return key, nil },
		Verifier: a.verifier,
		Serve: func(conn *dial.Conn, masterID string, channel token.Channel) bool {
			return a.ServeLink(conn, masterID, channel)
		}, Log: slog.New(slog.DiscardHandler),
	})
	return nil
}
