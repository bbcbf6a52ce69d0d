package kube

import (
	"context"
	"fmt"
	"net/http"
)

func (c *Cluster) startEtcd(ctx context.Context) error {
	clients, err := c.address("etcd")
	if err != nil {
		return err
	}
	peers, err := c.address("etcd-peer")
	if err != nil {
		return err
	}
	c.etcd, err = c.run("etcd",
		"--name=default",
		"--data-dir="+c.dir.file("etcd"),
		"--listen-client-urls=http://"+clients,
		"--advertise-client-urls=http://"+clients,
		"--listen-peer-urls=http://"+peers,
		"--initial-advertise-peer-urls=http://"+peers,
		"--initial-cluster=default=http://"+peers,
		"--unsafe-no-fsync", // the data ends with the cluster
		"--heartbeat-interval=20",
		"--election-timeout=100", // one member elects itself: the sooner the better
		"--quota-backend-bytes=8589934592",
		"--log-level=warn",
	)
	if err != nil {
		return err
	}
	return c.etcd.WaitReady(ctx, func(ctx context.Context) error { return probeHTTP(ctx, "http://"+clients+"/health") })
}

func probeHTTP(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	request.Close = true // leaves no idle connection behind
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, response.Status)
	}
	return nil
}

// address returns host and port for a use, reserved for the life of the cluster.
func (c *Cluster) address(use string) (string, error) {
	port, err := c.ports.Of(use)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s:%d", c.host, port), nil
}
