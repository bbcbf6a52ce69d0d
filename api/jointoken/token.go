// Package jointoken encodes join tokens. A join token lets one agent join a hub under one name, once: it has a one-time
// private key, whose public part is in spec.join of the ClusterAgent, and all that the agent needs to know of the hub.
// Anyone who has the token can join in the agent's place until it is used or has expired.
//
// An encoded token is Prefix, the fields as JSON in base64url, and a checksum, separated by dots.
package jointoken

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"time"

	"rollcall.dev/rollcall/api/link"
)

const (
	// Prefix is the beginning of an encoded token.
	Prefix = family + "v1."
	// MaxSize limits an encoded token, in bytes.
	MaxSize = 32 << 10

	// family is the beginning of the tokens of all versions.
	family = "rollcall-join."
	// checksumSize is the length of the checksum, in hex digits.
	checksumSize = 12
	// maxName limits the name of a cluster, as the schema of ClusterAgents does.
	maxName = 63
	// maxServerName limits the name in the masters' certificate, as DNS does.
	maxServerName = 253
)

// Token is a join token.
type Token struct {
	// Cluster is the name of the ClusterAgent.
	Cluster string
	// Hub is the address of the masters: wss://host:port.
	Hub string
	// HubPin is the key of the masters' certificate, as tlsfiles.Pin returns it, and HubCA has their CA certificates in
	// PEM. Both may be empty: then the agent trusts the authorities of its host.
	HubPin, HubCA string
	// HubServerName is the name in the masters' certificate, or "" for the host of Hub.
	HubServerName string
	// SigningKey is the public key by which the agent recognizes the masters of the hub.
	SigningKey ed25519.PublicKey
	// Key is the one-time private key.
	Key ed25519.PrivateKey
	// ExpiresAt is when the hub no longer accepts the token, in whole seconds.
	ExpiresAt time.Time
}

// New returns a Token with a new one-time key. The caller may set HubPin, HubCA and HubServerName.
func New(cluster, hub string, signingKey ed25519.PublicKey, expiresAt time.Time) (Token, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Token{}, fmt.Errorf("generate the key of the join token: %w", err)
	}
	t := Token{Cluster: cluster, Hub: hub, SigningKey: signingKey, Key: key, ExpiresAt: expiresAt.UTC().Truncate(time.Second)}
	return t, t.validate()
}

// KeySHA256 returns the fingerprint of the public part of Key, as in spec.join.keySHA256.
func (t Token) KeySHA256() string {
	der, err := x509.MarshalPKIXPublicKey(t.Key.Public())
	if err != nil {
		return "" // impossible for an Ed25519 key
	}
	return link.Fingerprint(der)
}

// Expired returns an error if the token has expired. The hub's clock decides: an agent may send an expired token.
func (t Token) Expired(now time.Time) error {
	if now.Before(t.ExpiresAt) {
		return nil
	}
	return fmt.Errorf("the join token for %s expired at %s: create another one on the hub with kubectl rollcall token create %s", t.Cluster, t.ExpiresAt.Format(time.RFC3339), t.Cluster)
}

// fields are the fields of an encoded token.
type fields struct {
	Cluster    string    `json:"cluster"`
	Hub        string    `json:"hub"`
	HubPin     string    `json:"hubPin,omitempty"`
	HubCA      string    `json:"hubCA,omitempty"`
	ServerName string    `json:"hubServerName,omitempty"`
	SigningKey []byte    `json:"signingKey"`
	Seed       []byte    `json:"key"`
	ExpiresAt  time.Time `json:"expiresAt"`
}

// Encode returns the token with its private key, as Parse reads it.
func (t Token) Encode() string {
	encoded, err := json.Marshal(fields{t.Cluster, t.Hub, t.HubPin, t.HubCA, t.HubServerName, t.SigningKey, t.Key.Seed(), t.ExpiresAt})
	if err != nil {
		return "" // impossible: all fields are strings, bytes or times since 1970
	}
	body := Prefix + base64.RawURLEncoding.EncodeToString(encoded)
	return body + "." + checksum(body)
}

// checksum returns the checksum of a token. It detects incomplete copies, and protects from nothing else.
func checksum(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])[:checksumSize]
}

// errIncomplete is the error of a token that was not copied completely.
var errIncomplete = errors.New("the join token is incomplete or was changed: copy all of it, from " + Prefix + " to its last character")

// Parse returns the Token of Encode. White space around it is ignored. An expired token is no error. The errors contain
// no part of the token.
func Parse(text string) (Token, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return Token{}, errors.New("the join token is empty: copy the output of kubectl rollcall token create")
	case len(text) > MaxSize:
		return Token{}, fmt.Errorf("the join token has %d bytes, the limit is %d: this is something else", len(text), MaxSize)
	case strings.HasPrefix(Prefix, text):
		return Token{}, errIncomplete
	case strings.HasPrefix(text, family) && !strings.HasPrefix(text, Prefix):
		return Token{}, errors.New("the join token has another version than this program: use the same version as the hub")
	case !strings.HasPrefix(text, Prefix):
		return Token{}, errors.New("this is no join token, which begins with " + family + "v1")
	}
	body, sum, _ := cutLast(text)
	if sum != checksum(body) {
		return Token{}, errIncomplete
	}
	encoded, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(body, Prefix))
	if err != nil {
		return Token{}, errIncomplete
	}
	var f fields
	if err := json.Unmarshal(encoded, &f); err != nil {
		return Token{}, errors.New("the join token has fields of another type: create another one")
	}
	if len(f.Seed) != ed25519.SeedSize {
		return Token{}, errors.New("the join token has no private key: create another one")
	}
	t := Token{f.Cluster, f.Hub, f.HubPin, f.HubCA, f.ServerName, f.SigningKey, ed25519.NewKeyFromSeed(f.Seed), f.ExpiresAt.UTC()}
	return t, t.validate()
}

// cutLast slices s around its last dot.
func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

var (
	clusterName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)
	pinFormat   = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// validate returns an error unless an agent can use the token.
func (t Token) validate() error {
	hub, err := url.Parse(t.Hub)
	switch {
	case len(t.Cluster) > maxName || !clusterName.MatchString(t.Cluster):
		return errors.New("the join token has no valid name of a cluster")
	case err != nil || hub.Scheme != "wss" || hub.Hostname() == "" || hub.User != nil || hub.RawQuery != "" || hub.Fragment != "" || strings.Trim(hub.Path, "/") != "":
		return errors.New("the join token has no valid address of the hub, which has the form wss://host:port")
	case t.HubPin != "" && !pinFormat.MatchString(t.HubPin):
		return errors.New("the join token has no valid pin of the hub, which has 64 lower-case hex digits")
	case t.HubCA != "" && !x509.NewCertPool().AppendCertsFromPEM([]byte(t.HubCA)):
		return errors.New("the join token has no valid CA of the hub, which has certificates in PEM")
	case len(t.HubServerName) > maxServerName:
		return errors.New("the join token has no valid name of the masters' certificate")
	case len(t.SigningKey) != ed25519.PublicKeySize:
		return errors.New("the join token has no signing key of the hub")
	case t.ExpiresAt.Unix() <= 0 || t.ExpiresAt.Year() > 9999:
		return errors.New("the join token has no valid time of expiry")
	}
	return nil
}

// String describes the token without its private key.
func (t Token) String() string {
	return fmt.Sprintf("join token for %s at %s, expires at %s (the private key is not shown)", t.Cluster, t.Hub, t.ExpiresAt.Format(time.RFC3339))
}

// Format implements fmt.Formatter, so that no verb shows the private key.
func (t Token) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(t.String())) }

// LogValue implements slog.LogValuer.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalJSON describes the token without its private key. Encode is the way to store it.
func (t Token) MarshalJSON() ([]byte, error) { return json.Marshal(t.String()) }
