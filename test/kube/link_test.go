package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"
)

// TestLinkConnectsTwoMachinesAndItsFaultsBreakIt needs no cluster: a machine with a server stands for a node.
func TestLinkConnectsTwoMachinesAndItsFaultsBreakIt(t *testing.T) {
	NeedRealNode(t)
	nodes := make([]*Node, 2)
	for i, name := range []string{"link-a", "link-b"} {
		cluster, err := newCluster(Options{Name: name, Binaries: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cluster.Close)
		_, m, server := serveOn(t, cluster)
		nodes[i] = &Node{Cluster: cluster, Name: name, machine: m, Address: m.address, AddressV6: m.addressV6}
		err = server.WaitReady(t.Context(), func(ctx context.Context) error { return probeHTTP(ctx, "http://"+m.address+":8080/") })
		if err != nil {
			t.Fatal(err)
		}
	}
	connect := func(to *Node, address string, within time.Duration) error {
		from := nodes[0]
		if to == from {
			from = nodes[1]
		}
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		conn, err := from.Dial(ctx, "tcp", net.JoinHostPort(address, "8080"))
		if err == nil {
			conn.Close()
		}
		return err
	}
	if err := connect(nodes[1], nodes[1].Address, time.Second); err == nil {
		t.Fatal("without a link: the nodes reach each other")
	}
	link, err := Connect(nodes[0], nodes[1])
	if err != nil {
		t.Fatal(err)
	}
	defer link.Close()
	const enough = 30 * time.Second
	for _, to := range nodes {
		for _, address := range to.addresses() {
			Eventually(t, enough, func() error { // the kernel adds routes of IPv6 some time after their addresses
				if err := connect(to, address, enough); err != nil {
					return fmt.Errorf("connect to %s at %s: %w", to.Name, address, err)
				}
				return nil
			})
		}
	}
	link.SetFaults(Faults{Cut: true})
	if err := connect(nodes[1], nodes[1].Address, 300*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("connect over a link that is cut: got %v, want no response", err)
	}
	link.SetFaults(Faults{Loss: 1})
	if err := connect(nodes[0], nodes[0].Address, 300*time.Millisecond); err == nil {
		t.Error("connect over a link that loses every packet: got no error")
	}
	const delay = 200 * time.Millisecond
	link.SetFaults(Faults{Delay: delay})
	start := time.Now()
	if err := connect(nodes[1], nodes[1].Address, enough); err != nil || time.Since(start) < 2*delay {
		t.Errorf("connect over a link with a delay of %v: got %v after %v", delay, err, time.Since(start))
	}
	link.SetFaults(Faults{})
	if err := connect(nodes[0], nodes[0].Address, enough); err != nil {
		t.Errorf("connect after the faults: %v", err)
	}
	link.Close()
	if err := connect(nodes[1], nodes[1].Address, time.Second); err == nil {
		t.Error("after Close: the nodes reach each other")
	}
}
