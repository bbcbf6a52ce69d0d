package kube

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// linkQueue is the number of packets on their way in one direction. Further packets are dropped.
	linkQueue = 4096
	// linkPacket is larger than the MTU of the devices.
	linkPacket = 2048
	// tunnelDevice creates TUN devices.
	tunnelDevice = "/dev/net/tun"
)

// Link is a network link between two real nodes. Each node has a TUN device, and this process copies the packets
// between them. It can drop and delay packets, without any support by the kernel. The nodes reach each other at
// [Node.Address] and, if they have one, at [Node.AddressV6], so that a pod of one cluster reaches the node ports of the
// other. The link ends with Close, and with this process.
type Link struct {
	devices []*os.File
	faults  atomic.Pointer[Faults]
	copying sync.WaitGroup
}

// Faults are the faults of a link, in both directions. The zero value is a link without faults.
type Faults struct {
	// Cut drops every packet, so that connections stay open without a response.
	Cut bool
	// Loss is the fraction of packets that are dropped.
	Loss float64
	// Delay is added to each packet, so that a round trip takes twice as long.
	Delay time.Duration
}

// Connect creates a link between two nodes of different clusters.
func Connect(a, b *Node) (*Link, error) {
	l := &Link{}
	l.SetFaults(Faults{})
	for _, end := range []struct{ from, to *Node }{{a, b}, {b, a}} {
		device, err := end.from.machine.openTunnel(fmt.Sprintf("to-node%d", end.to.machine.index), end.to.machine)
		if err != nil {
			l.Close()
			return nil, fmt.Errorf("link %s with %s: %w", end.from.Name, end.to.Name, err)
		}
		l.devices = append(l.devices, device)
	}
	l.copying.Go(func() { l.copyPackets(l.devices[0], l.devices[1]) })
	l.copying.Go(func() { l.copyPackets(l.devices[1], l.devices[0]) })
	return l, nil
}

// SetFaults replaces the faults of the link. It also applies to packets that are on their way.
func (l *Link) SetFaults(f Faults) { l.faults.Store(&f) }

// Close removes the devices.
func (l *Link) Close() {
	for _, device := range l.devices {
		device.Close()
	}
	l.copying.Wait()
}

// delayed is a packet on its way.
type delayed struct {
	packet []byte
	due    time.Time
}

// copyPackets copies packets in one direction, in their order, until a device is closed.
func (l *Link) copyPackets(from, to *os.File) {
	queue := make(chan delayed, linkQueue)
	l.copying.Go(func() {
		for d := range queue {
			if wait := time.Until(d.due); wait > 0 {
				<-time.After(wait)
			}
			if !l.faults.Load().Cut {
				_, _ = to.Write(d.packet) // fails while the device is down, which loses the packet
			}
		}
	})
	defer close(queue)
	for {
		packet := make([]byte, linkPacket)
		n, err := from.Read(packet)
		if err != nil {
			return
		}
		f := l.faults.Load()
		if f.Cut || rand.Float64() < f.Loss {
			continue
		}
		select {
		case queue <- delayed{packet[:n], time.Now().Add(f.Delay)}:
		default:
		}
	}
}

// openTunnel creates a TUN device in the machine, with a route to another machine.
func (m *machine) openTunnel(name string, to *machine) (device *os.File, err error) {
	if failed := m.inNetwork(func() { device, err = openTunnel(name) }); failed != nil {
		err = errors.Join(failed, err)
	}
	if err != nil {
		return nil, fmt.Errorf("create the network device %s: %w", name, err)
	}
	commands := [][]string{
		{"address", "add", m.address, "peer", to.address, "dev", name},
		{"link", "set", name, "up"},
	}
	if m.addressV6 != "" && to.addressV6 != "" {
		commands = append(commands, []string{"address", "add", m.addressV6, "peer", to.addressV6, "dev", name, "nodad"})
	}
	for _, args := range commands {
		if _, err := m.output("ip", args...); err != nil {
			return nil, errors.Join(err, device.Close())
		}
	}
	return device, nil
}

// openTunnel creates a TUN device in the network namespace of the calling thread. It exists until the file is closed.
func openTunnel(name string) (*os.File, error) {
	fd, err := unix.Open(tunnelDevice, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", tunnelDevice, err)
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), name), nil
}
