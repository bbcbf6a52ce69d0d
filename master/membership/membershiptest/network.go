// Package membershiptest has an in-memory network between masters, for tests in virtual time.
package membershiptest

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// queueSize is how many messages wait for a receiver. Further ones are lost, as in Redis.
const queueSize = 1024

// Network passes messages between its Channels.
type Network struct {
	mu       sync.Mutex
	channels []*Channel
	// Log has all messages that were sent.
	log []Message
}

// Message is a message on a Network.
type Message struct {
	Sender  string
	Kind    byte
	Payload []byte
}

// Channel is the connection of a master to a Network. It implements membership.Channel.
type Channel struct {
	network *Network
	sender  string

	// Guarded by network.mu:
	cut      bool
	messages chan Message // nil while Receive does not run
	restored chan struct{}
}

// Channel returns the connection of a new master.
func (n *Network) Channel(sender string) *Channel {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := &Channel{network: n, sender: sender, restored: make(chan struct{}, 1)}
	n.channels = append(n.channels, c)
	return c
}

// Sent returns all messages that were sent.
func (n *Network) Sent() []Message {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.log)
}

// Publish passes a message to all masters but its sender.
func (n *Network) Publish(m Message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.log = append(n.log, m)
	for _, c := range n.channels {
		if c.cut || c.sender == m.Sender || c.messages == nil {
			continue
		}
		select {
		case c.messages <- m:
		default:
		}
	}
}

// Cut disconnects the master from the network, or connects it again.
func (c *Channel) Cut(cut bool) {
	c.network.mu.Lock()
	defer c.network.mu.Unlock()
	if c.cut && !cut {
		select {
		case c.restored <- struct{}{}:
		default:
		}
	}
	c.cut = cut
}

var errCut = errors.New("the network is cut")

// Send sends a message to all other masters.
func (c *Channel) Send(_ context.Context, kind byte, payload []byte) error {
	c.network.mu.Lock()
	cut := c.cut
	c.network.mu.Unlock()
	if cut {
		return errCut
	}
	c.network.Publish(Message{c.sender, kind, slices.Clone(payload)})
	return nil
}

// Receive calls handle for each message until ctx ends, and connected at the start and after each time without
// a connection.
func (c *Channel) Receive(ctx context.Context, handle func(sender string, kind byte, payload []byte), connected func()) error {
	messages := make(chan Message, queueSize)
	c.network.mu.Lock()
	c.messages = messages
	cut := c.cut
	c.network.mu.Unlock()
	if !cut {
		connected()
	}
	for {
		select {
		case <-ctx.Done():
			c.network.mu.Lock()
			c.messages = nil
			c.network.mu.Unlock()
			return nil
		case <-c.restored:
			connected()
		case m := <-messages:
			handle(m.Sender, m.Kind, m.Payload)
		}
	}
}
