package rediscache

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"
)

// What a MAC is over begins with macDomain and one of these kinds.
const (
	macDomain = "rollcall.dev/redis/v1"
	kindHead  = "head"
	kindBase  = "base"
	kindLog   = "log"
)

const (
	// hkdfInfo separates the MAC's key from whatever else is derived from a signing key.
	hkdfInfo = "rollcall.dev/redis/v1 HMAC-SHA256 key"
	// keyIDLen is how many bytes of the public key's hash name a key.
	keyIDLen = 8
	// noKeyID names the key that everybody knows.
	noKeyID = "none"
)

// macKey makes and verifies MACs.
type macKey struct {
	id     string
	secret []byte
}

// noKey returns the key of masters without a signing key. Everybody knows it, so that it
// finds what was harmed by accident and no forgery.
func noKey() macKey {
	secret := sha256.Sum256([]byte(hkdfInfo))
	return macKey{id: noKeyID, secret: secret[:]}
}

// KeyID returns the name by which entries in Redis say which signing key they were
// written with: the first 8 bytes of the SHA-256 of its public half, in hex.
func KeyID(public ed25519.PublicKey) string {
	sum := sha256.Sum256(public)
	return hex.EncodeToString(sum[:keyIDLen])
}

// deriveKey derives the MAC's key from a signing key by HKDF-SHA256.
func deriveKey(signing ed25519.PrivateKey) (macKey, error) {
	if len(signing) != ed25519.PrivateKeySize {
		return macKey{}, fmt.Errorf("a signing key has %d bytes, want %d", len(signing), ed25519.PrivateKeySize)
	}
	public := ed25519.PublicKey(signing[ed25519.PrivateKeySize-ed25519.PublicKeySize:])
	secret, err := hkdf.Key(sha256.New, signing.Seed(), nil, hkdfInfo, sha256.Size)
	if err != nil {
		return macKey{}, fmt.Errorf("derive the key of the MAC: %w", err)
	}
	return macKey{id: KeyID(public), secret: secret}, nil
}

// mac returns the HMAC-SHA256 of the domain and the parts, each behind its length, so
// that no two lists of parts are the same bytes.
func (k macKey) mac(parts ...[]byte) []byte {
	h := hmac.New(sha256.New, k.secret)
	var size [8]byte
	write := func(p []byte) {
		binary.BigEndian.PutUint64(size[:], uint64(len(p)))
		h.Write(size[:])
		h.Write(p)
	}
	write([]byte(macDomain))
	for _, p := range parts {
		write(p)
	}
	return h.Sum(nil)
}

// keyring has the keys of a master.
type keyring struct {
	// signing makes MACs.
	signing macKey
	// accepted verifies them, by key ID; signing is one of them.
	accepted map[string]macKey
}

// newKeyring derives the keys. Without a signing key the only one is noKey, which a
// master with a signing key never accepts.
func newKeyring(signing ed25519.PrivateKey, others []ed25519.PrivateKey) (keyring, error) {
	if signing == nil {
		k := noKey()
		return keyring{signing: k, accepted: map[string]macKey{k.id: k}}, nil
	}
	first, err := deriveKey(signing)
	if err != nil {
		return keyring{}, err
	}
	ring := keyring{signing: first, accepted: map[string]macKey{first.id: first}}
	for _, other := range others {
		k, err := deriveKey(other)
		if err != nil {
			return keyring{}, err
		}
		ring.accepted[k.id] = k
	}
	return ring, nil
}

// A record is what is stored of one base or one update: its MAC, its numbers, and frames.
const (
	numbersLen = 6 * 8
	recordLen  = sha256.Size + numbersLen
)

// recordNumbers say which record it is, so that one that comes by itself has a place.
type recordNumbers struct {
	term, epoch uint64
	// from and to are the seqs that the frames lead from and to; a base begins at 0.
	from, to uint64
	ttl      time.Duration
	received time.Time
}

func (n recordNumbers) put(b []byte) {
	for i, v := range []uint64{n.term, n.epoch, n.from, n.to, uint64(n.ttl.Milliseconds()), uint64(n.received.UnixMilli())} {
		binary.BigEndian.PutUint64(b[8*i:], v)
	}
}

func readNumbers(b []byte) (n recordNumbers) {
	v := func(i int) uint64 { return binary.BigEndian.Uint64(b[8*i:]) }
	n.term, n.epoch, n.from, n.to = v(0), v(1), v(2), v(3)
	n.ttl, n.received = time.Duration(v(4))*time.Millisecond, time.UnixMilli(int64(v(5)))
	return n
}

// sealRecord fills in the first recordLen bytes of a record, behind which its frames
// are, and returns its MAC. previous is the MAC of the record before it, nil for a base.
func (k macKey) sealRecord(cluster string, previous []byte, n recordNumbers, record []byte) []byte {
	n.put(record[sha256.Size:recordLen])
	mac := k.recordMAC(cluster, previous, record)
	copy(record, mac)
	return mac
}

// openRecord verifies a record, and returns its MAC, numbers and frames.
func (k macKey) openRecord(cluster string, previous, record []byte) (mac []byte, n recordNumbers, frames []byte, err error) {
	if len(record) < recordLen {
		return nil, n, nil, refused(causeFormat, "a record is cut short")
	}
	mac = record[:sha256.Size]
	if !hmac.Equal(mac, k.recordMAC(cluster, previous, record)) {
		return nil, n, nil, refused(causeMAC, "the MAC of a record does not fit: it was changed, moved or copied")
	}
	return bytes.Clone(mac), readNumbers(record[sha256.Size:recordLen]), record[recordLen:], nil
}

func (k macKey) recordMAC(cluster string, previous, record []byte) []byte {
	kind := kindLog
	if previous == nil {
		kind = kindBase
	}
	return k.mac([]byte(kind), []byte(cluster), previous, record[sha256.Size:])
}
