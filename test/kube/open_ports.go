package kube

import (
	"fmt"
	"math"
	"net/netip"

	"golang.org/x/sys/unix"
)

// openPortTimeout is the time in which an open port of the same host accepts a connection, in seconds. Only ports that
// drop packets take as long.
const openPortTimeout = 1

// OpenPorts returns the TCP ports at one of the node's IP addresses that accept connections from inside the node. It
// tries all of them, which takes one or two seconds.
func (n *Node) OpenPorts(address string) (open []uint16, err error) {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return nil, fmt.Errorf("try the ports of node %s: %w", n.Name, err)
	}
	failed := n.machine.inNetwork(func() {
		for port := 1; port <= math.MaxUint16 && err == nil; port++ {
			var accepts bool
			if accepts, err = acceptsTCP(netip.AddrPortFrom(ip, uint16(port))); accepts {
				open = append(open, uint16(port))
			}
		}
	})
	if failed != nil {
		err = failed
	}
	return open, err
}

// acceptsTCP reports whether a connection to an address of the same host succeeds. It uses a blocking socket, with
// which this is ten times as fast as with a net.Dialer.
func acceptsTCP(to netip.AddrPort) (bool, error) {
	family, address := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()})
	if to.Addr().Is4() {
		family, address = unix.AF_INET, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
	}
	socket, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false, fmt.Errorf("open a socket: %w", err)
	}
	defer unix.Close(socket)
	if err := unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Sec: openPortTimeout}); err != nil {
		return false, fmt.Errorf("set the timeout of a socket: %w", err)
	}
	if unix.Connect(socket, address) != nil {
		return false, nil
	}
	// If the kernel chose the same port as the source, the socket is connected to itself.
	source, err := unix.Getsockname(socket)
	switch source := source.(type) {
	case *unix.SockaddrInet4:
		return source.Port != int(to.Port()), err
	case *unix.SockaddrInet6:
		return source.Port != int(to.Port()), err
	}
	return false, err
}
