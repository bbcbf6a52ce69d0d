package stack

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/redis/go-redis/v9"
	"rollcall.dev/rollcall/test/proc"
)

// Redis is a real redis-server on a port of 127.0.0.1.
type Redis struct {
	*proc.Process
	// URL is for --cache.
	URL string

	executable, dir, address string
	ports                    proc.Ports
}

// StartRedis starts a redis-server that keeps nothing on disk, with its log in dir.
func StartRedis(ctx context.Context, dir string) (*Redis, error) {
	executable, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("find redis-server (install it: apt-get install redis-server): %w", err)
	}
	r := &Redis{executable: executable, dir: dir}
	port, err := r.ports.Of("redis")
	if err != nil {
		return nil, err
	}
	r.address = fmt.Sprintf("127.0.0.1:%d", port)
	r.URL = "redis://" + r.address
	return r, r.Start(ctx)
}

// Close stops it and gives its port back.
func (r *Redis) Close() {
	r.Kill()
	r.ports.Release()
}

// Start starts it again, empty, after it ended.
func (r *Redis) Start(ctx context.Context) error {
	host, port, err := net.SplitHostPort(r.address)
	if err != nil {
		return err
	}
	p, err := proc.Start(proc.Command{
		Executable: r.executable, Home: r.dir, LogFile: filepath.Join(r.dir, "redis.log"),
		Args: []string{"--bind", host, "--port", port, "--save", "", "--appendonly", "no"},
	})
	if err != nil {
		return err
	}
	r.Process = p
	client := r.client()
	defer client.Close()
	return p.WaitReady(ctx, func(ctx context.Context) error { return client.Ping(ctx).Err() })
}

func (r *Redis) client() *redis.Client {
	return redis.NewClient(&redis.Options{Addr: r.address})
}

// Holds is an error unless there is a key of the cluster.
func (r *Redis) Holds(ctx context.Context, cluster string) error {
	client := r.client()
	defer client.Close()
	keys, err := client.Keys(ctx, "*").Result()
	if err != nil {
		return fmt.Errorf("list the keys in Redis: %w", err)
	}
	for _, k := range keys {
		if strings.Contains(k, "{"+cluster+"}") {
			return nil
		}
	}
	return fmt.Errorf("Redis holds nothing of %s, only %q", cluster, keys)
}
