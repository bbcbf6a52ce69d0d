package kube

import (
	"context"
	"fmt"
	"net/http"
)

// startEtcd starts etcd and waits until it is healthy.
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
		"--unsafe-no-fsync", // the data is deleted with the cluster
		"--heartbeat-interval=20",
		"--election-timeout=100", // a single member elects itself after this time
		"--quota-backend-bytes=8589934592",
		"--log-level=warn",
	)
	if err != nil {
		return err
	}
	return c.etcd.WaitReady(ctx, func(ctx context.Context) error { return probeHTTP(ctx, "http://"+clients+"/health") })
}

// probeHTTP returns an error unless the URL responds with status 200.
func probeHTTP(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	request.Close = true // leaves no idle connection
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("get %s: status %s", url, response.Status)
	}
	return nil
}

// address returns the host:port reserved for a use until the cluster is closed.
func (c *Cluster) address(use string) (string, error) {
	port, err := c.ports.Of(use)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s:%d", c.host, port), nil
}
