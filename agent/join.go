package agent

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"

	"rollcall.dev/rollcall/agent/dial"
	"rollcall.dev/rollcall/api/jointoken"
	"rollcall.dev/rollcall/api/tlsfiles"
	"rollcall.dev/rollcall/api/token"
)

// maxServiceAccountToken limits the size of a service account token, in bytes.
const maxServiceAccountToken = 8 << 10

// joinToken returns the join token, and false if there is none.
func (c *Config) joinToken() (t jointoken.Token, ok bool, err error) {
	if c.JoinTokenFile == "" {
		return t, false, nil
	}
	content, err := readLimited(c.JoinTokenFile, jointoken.MaxSize)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(bytes.TrimSpace(content)) == 0 {
		return t, false, nil
	}
	if err == nil {
		t, err = jointoken.Parse(string(content))
	}
	if err != nil {
		return t, false, fmt.Errorf("read --join-token-file %s: %w", c.JoinTokenFile, err)
	}
	return t, true, nil
}

// useJoinedName sets the name of the cluster to that of the join token, unless it is set.
func (c *Config) useJoinedName() {
	if c.ClusterName != "" && !strings.Contains(c.ClusterName, "$(") {
		return
	}
	if t, ok, err := c.joinToken(); ok && err == nil {
		c.ClusterName = t.Cluster
	}
}

// masterKeys returns the public keys of the masters: those of the files, or that of the join token if the files have
// none. The error wraps token.ErrNotYet while there is neither.
func (c *Config) masterKeys() ([]ed25519.PublicKey, error) {
	fromFiles := func() ([]ed25519.PublicKey, error) { return token.ReadPublicKeys(c.MasterPublicKeyFiles...) }
	if c.JoinTokenFile == "" {
		return fromFiles()
	}
	if len(c.MasterPublicKeyFiles) > 0 {
		if keys, err := fromFiles(); !errors.Is(err, token.ErrNotYet) {
			return keys, err
		}
	}
	switch t, ok, err := c.joinToken(); {
	case err != nil:
		return nil, err
	case ok:
		return []ed25519.PublicKey{t.SigningKey}, nil
	}
	return nil, fmt.Errorf("%w: --join-token-file %s has no join token yet", token.ErrNotYet, c.JoinTokenFile)
}

// target returns the hub to dial: that of the flags, or that of the join token. An agent that has joined still uses the
// address in a token that has expired.
func (c *Config) target() (dial.Target, error) {
	t, joined, err := c.joinToken()
	if err != nil {
		return dial.Target{}, err
	}
	address := c.Hub
	if address == "" && joined {
		address = t.Hub
	}
	if address == "" {
		return dial.Target{}, dial.ErrNoHub
	}
	hub, err := url.Parse(address)
	if err != nil {
		return dial.Target{}, fmt.Errorf("parse --hub: %w", err)
	}
	hub.Path = ""
	target := dial.Target{Hub: hub, Trust: tlsfiles.Trust{PinnedSHA256: c.HubPins, ServerName: c.HubServerName}}
	if joined && target.Trust.ServerName == "" {
		target.Trust.ServerName = t.HubServerName
	}
	if joined { // the hub refuses an expired token, and says so in its Event
		target.JoinKey = t.Key
	}
	switch {
	case c.HubCAFile != "":
		if target.Trust.CABundle, err = os.ReadFile(c.HubCAFile); err != nil {
			return dial.Target{}, fmt.Errorf("read --hub-ca-file: %w", err)
		}
	case joined && len(c.HubPins) == 0:
		target.Trust.CABundle = []byte(t.HubCA)
		if t.HubPin != "" {
			target.Trust.PinnedSHA256 = []string{t.HubPin}
		}
	}
	return target, nil
}

// serviceAccountToken returns a function that reads the service account token, or nil if there is none.
func (c *Config) serviceAccountToken() func() (string, error) {
	if c.ServiceAccountTokenFile == "" {
		return nil
	}
	return func() (string, error) {
		content, err := readLimited(c.ServiceAccountTokenFile, maxServiceAccountToken)
		return string(bytes.TrimSpace(content)), err
	}
}

// readLimited returns the content of a file of a limited size.
func readLimited(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s has %d bytes, the limit is %d", path, info.Size(), limit)
	}
	return os.ReadFile(path) //nolint:gosec // the path is a flag's
}
