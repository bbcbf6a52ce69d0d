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

// The input of each MAC starts with macDomain and one of these kinds.
const (
	macDomain   = "rollcall.dev/redis/v1"
	kindHead    = "head"
	kindBase    = "base"
	kindLog     = "log"
	kindMessage = "message"
	kindTerm    = "term"
)

const (
	// hkdfInfo separates the key of the MACs from other keys derived from the same signing key.
	hkdfInfo = "rollcall.dev/redis/v1 HMAC-SHA256 key"
	// keyIDLen is the length of a key ID in bytes, a prefix of the public key's hash.
	keyIDLen = 8
	// wellKnownKeyID is the ID of the wellKnownKey.
	wellKnownKeyID = "none"
)

// macKey computes and verifies MACs.
type macKey struct {
	id     string
	secret []byte
}

// wellKnownKey returns the key that masters without a signing key use. It is public, so that its
// MACs detect accidental corruption but not forgery.
func wellKnownKey() macKey {
	secret := sha256.Sum256([]byte(hkdfInfo))
	return macKey{id: wellKnownKeyID, secret: secret[:]}
}

// KeyID returns the ID of a signing key in the entries in Redis: the first 8 bytes of the
// SHA-256 of its public key, in hex.
func KeyID(public ed25519.PublicKey) string {
	sum := sha256.Sum256(public)
	return hex.EncodeToString(sum[:keyIDLen])
}

// deriveKey derives the key of the MACs from a signing key by HKDF-SHA256.
func deriveKey(signing ed25519.PrivateKey) (macKey, error) {
	if len(signing) != ed25519.PrivateKeySize {
		return macKey{}, fmt.Errorf("the signing key has %d bytes, want %d", len(signing), ed25519.PrivateKeySize)
	}
	public := ed25519.PublicKey(signing[ed25519.PrivateKeySize-ed25519.PublicKeySize:])
	secret, err := hkdf.Key(sha256.New, signing.Seed(), nil, hkdfInfo, sha256.Size)
	if err != nil {
		return macKey{}, fmt.Errorf("derive the key of the MACs: %w", err)
	}
	return macKey{id: KeyID(public), secret: secret}, nil
}

// mac returns the HMAC-SHA256 of the domain and the parts. The length of each is written before
// it, so that different lists of parts are different inputs.
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

// keyring holds the keys of a master.
type keyring struct {
	// signing computes MACs.
	signing macKey
	// accepted has the keys that verify MACs, by ID. signing is one of them.
	accepted map[string]macKey
}

// newKeyring returns the keyring with the keys that are derived from signing and others. If
// signing is nil, it has only the wellKnownKey, which a master with a signing key does not accept.
func newKeyring(signing ed25519.PrivateKey, others []ed25519.PrivateKey) (keyring, error) {
	if signing == nil {
		k := wellKnownKey()
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

// A record is a base or one entry of the log: a prefix of its MAC and its numbers, and frames.
const (
	numbersLen      = 6 * 8
	recordPrefixLen = sha256.Size + numbersLen
)

// recordNumbers identify a record.
type recordNumbers struct {
	term, epoch uint64
	// from and to are the seqs before and after the change in the frames. from is 0 for a base.
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

// signRecord fills in the first recordPrefixLen bytes of a record and returns its MAC. previous is
// the MAC of the record before it, nil for a base.
func (k macKey) signRecord(cluster string, previous []byte, n recordNumbers, record []byte) []byte {
	n.put(record[sha256.Size:recordPrefixLen])
	mac := k.recordMAC(cluster, previous, record)
	copy(record, mac)
	return mac
}

// verifyRecord verifies a record and returns its MAC, numbers and frames. The error is a refusal.
func (k macKey) verifyRecord(cluster string, previous, record []byte) (mac []byte, n recordNumbers, frames []byte, err error) {
	if len(record) < recordPrefixLen {
		return nil, n, nil, refused(causeFormat, "a record is cut short")
	}
	mac = record[:sha256.Size]
	if !hmac.Equal(mac, k.recordMAC(cluster, previous, record)) {
		return nil, n, nil, refused(causeMAC, "the MAC of a record is wrong: the record was changed, moved or copied")
	}
	return bytes.Clone(mac), readNumbers(record[sha256.Size:recordPrefixLen]), record[recordPrefixLen:], nil
}

func (k macKey) recordMAC(cluster string, previous, record []byte) []byte {
	kind := kindLog
	if previous == nil {
		kind = kindBase
	}
	return k.mac([]byte(kind), []byte(cluster), previous, record[sha256.Size:])
}
