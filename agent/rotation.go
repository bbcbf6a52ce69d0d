package agent

import (
	"crypto"
	"crypto/tls"
	"time"

	"rollcall.dev/rollcall/api/tlsfiles"
)

// Entries of the Secret and the ConfigMap while the agent replaces its key.
const (
	// rotateEntry asks for another key, if it is not empty.
	rotateEntry          = "rotate"
	nextCertificateEntry = "next.crt"
	nextPrivateKeyEntry  = "next.key"
	// nextPinEntry of the ConfigMap has the pin of the next key, or is empty.
	nextPinEntry = "next-pin"
)

// announceDelay is the time from publishing the pin of the next key until it is announced to the hub, in which somebody
// may add it to spec.tls.pinnedSHA256.
const announceDelay = 10 * time.Second

// rotation is the replacement of the agent's key without a gap (api/link, "Enrolment"): the agent makes the next key,
// announces it on its link, and uses it when the hub accepts it.
type rotation struct {
	// next is the certificate of the next key, or nil.
	next *tls.Certificate
	// accepted is the pin of the next key that the hub accepts, or "".
	accepted string
	// published reports whether the ConfigMap has a next pin.
	published bool
	// changed receives a value when the key or the next key is another one, wake when the Secret has to be written.
	changed, wake chan struct{}
}

// newRotation returns a rotation without a next key.
func newRotation() rotation {
	return rotation{changed: make(chan struct{}, 1), wake: make(chan struct{}, 1)}
}

// notify sends to a channel, unless it has a value already.
func notify(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// rotate returns what to change in the Secret with the given content: it makes the next key if the Secret asks for it,
// and makes it the current one if the hub accepts it. It removes a next key that cannot be used. accepted is the pin of
// the next key that the hub accepts, or "".
func rotate(data map[string][]byte, accepted string) (changed map[string][]byte, err error) {
	next := tlsfiles.Pair{Cert: data[nextCertificateEntry], Key: data[nextPrivateKeyEntry]}
	switch {
	case len(next.Key) == 0 && len(data[rotateEntry]) == 0:
		return map[string][]byte{}, nil
	case len(next.Key) == 0:
		if next, err = tlsfiles.SelfSigned(certificateName, []string{certificateName}, certificateDuration); err != nil {
			return nil, err
		}
		return map[string][]byte{nextCertificateEntry: next.Cert, nextPrivateKeyEntry: next.Key, rotateEntry: nil}, nil
	}
	parsed, err := parsePair(next)
	if err != nil { // nobody uses it
		return map[string][]byte{nextCertificateEntry: nil, nextPrivateKeyEntry: nil}, nil //nolint:nilerr // the next request makes another one
	}
	if tlsfiles.Pin(parsed.Leaf) != accepted {
		return map[string][]byte{}, nil
	}
	return map[string][]byte{certificateEntry: next.Cert, privateKeyEntry: next.Key, nextCertificateEntry: nil, nextPrivateKeyEntry: nil, rotateEntry: nil}, nil
}

// acceptedNext returns the pin of the next key that the hub accepts, or "".
func (c *ownCertificate) acceptedNext() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rotation.accepted
}

// publishedNext reports whether this process has published the pin of a next key.
func (c *ownCertificate) publishedNext() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rotation.published
}

// setNext sets the next certificate, or removes it.
func (c *ownCertificate) setNext(next *tls.Certificate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.rotation.next
	c.rotation.next, c.rotation.published = next, next != nil
	if next == nil || before != nil && tlsfiles.Pin(before.Leaf) == tlsfiles.Pin(next.Leaf) {
		return
	}
	c.log.Info("made the agent's next key; it replaces the current one when the hub accepts it", "pin", tlsfiles.Pin(next.Leaf),
		"published", c.objects.Namespace+"/"+c.objects.ConfigMap)
	time.AfterFunc(announceDelay, func() { notify(c.rotation.changed) })
}

// nextKey returns the next key, or nil. It implements dial.Config.NextKey.
func (c *ownCertificate) nextKey() crypto.Signer {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rotation.next == nil {
		return nil
	}
	key, _ := c.rotation.next.PrivateKey.(crypto.Signer)
	return key
}

// acceptNext stores the next key as the agent's key. It implements dial.Config.OnNextKeyAccepted.
func (c *ownCertificate) acceptNext(next crypto.Signer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rotation.next != nil && c.rotation.next.PrivateKey == crypto.PrivateKey(next) {
		c.rotation.accepted = tlsfiles.Pin(c.rotation.next.Leaf)
		notify(c.rotation.wake)
	}
}
