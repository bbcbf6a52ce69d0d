package proc

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// The ports are below the range that the kernel uses for outgoing connections, so that no such connection can take a
// port between its reservation and the start of its server.
const (
	firstPort = 21000
	lastPort  = 29999
)

// Ports are the TCP ports of 127.0.0.1 that one user has reserved, by use. A port stays reserved while its server is
// down, so that the server can restart on it.
type Ports struct {
	mu           sync.Mutex
	byUse        map[string]int
	reservations []net.Listener
}

// Of returns the port for a use. The first call for a use reserves it.
func (p *Ports) Of(use string) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if port, ok := p.byUse[use]; ok {
		return port, nil
	}
	size := lastPort - firstPort + 1
	start := rand.IntN(size)
	for i := range size {
		port := firstPort + (start+i)%size
		reservation, err := reservePort(port)
		if err != nil {
			continue
		}
		if p.byUse == nil {
			p.byUse = map[string]int{}
		}
		p.byUse[use] = port
		p.reservations = append(p.reservations, reservation)
		return port, nil
	}
	return 0, fmt.Errorf("reserve a port for %s: none of %d-%d is free", use, firstPort, lastPort)
}

// reservePort reserves a port among all processes that use this package, by an abstract Unix socket, which needs no
// file and is closed with its process. It fails if another server listens on the port.
func reservePort(port int) (net.Listener, error) {
	reservation, err := net.Listen("unix", fmt.Sprintf("@rollcall/port/%d", port))
	if err != nil {
		return nil, fmt.Errorf("reserve port %d: %w", port, err)
	}
	probe, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("try port %d: %w", port, err), reservation.Close())
	}
	if err := probe.Close(); err != nil {
		return nil, errors.Join(fmt.Errorf("free port %d: %w", port, err), reservation.Close())
	}
	return reservation, nil
}

// Release releases all ports.
func (p *Ports) Release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, reservation := range p.reservations {
		_ = reservation.Close()
	}
	p.byUse, p.reservations = nil, nil
}
