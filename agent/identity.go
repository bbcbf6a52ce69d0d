package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"
	"rollcall.dev/rollcall/api/backoff"
)

const (
	// readTimeout limits the duration of one attempt.
	readTimeout = 10 * time.Second
	// maxResponseBytes limits the size of a response.
	maxResponseBytes = 1 << 20
)

// identityDelay is the time between two attempts to read the cluster's identity.
var identityDelay = backoff.Backoff{Min: 500 * time.Millisecond, Max: 10 * time.Second}

// identity reads the identity of the cluster once: the UID of the namespace kube-system, by which clusters are
// distinguished, and the version of the API server.
type identity struct {
	baseURL *url.URL
	client  *http.Client
	log     *slog.Logger
	// value is nil until the identity has been read.
	value atomic.Pointer[clusterIdentity]
}

type clusterIdentity struct{ uid, version string }

func newIdentity(config *rest.Config, log *slog.Logger) (*identity, error) {
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, fmt.Errorf("parse the URL of the API server: %w", err)
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("create the client for the API server: %w", err)
	}
	return &identity{baseURL: base, client: client, log: log}, nil
}

// get returns the identity. ok is false if it has not been read yet.
func (i *identity) get() (uid, version string, ok bool) {
	v := i.value.Load()
	if v == nil {
		return "", "", false
	}
	return v.uid, v.version, true
}

// run tries to read the identity until it succeeds or ctx is done.
func (i *identity) run(ctx context.Context) error {
	defer i.client.CloseIdleConnections()
	for failures := 1; ; failures++ {
		v, err := i.read(ctx)
		switch {
		case err == nil:
			i.value.Store(v)
			return nil
		case ctx.Err() != nil:
			return nil
		case failures == 1:
			i.log.Warn("cannot read the cluster's identity; retrying", "error", err)
		}
		if !backoff.Sleep(ctx, identityDelay.Delay(failures, 0)) {
			return nil
		}
	}
}

// read reads the identity.
func (i *identity) read(ctx context.Context) (*clusterIdentity, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	var namespace struct{ Metadata struct{ UID string } }
	if err := i.getJSON(ctx, "/api/v1/namespaces/kube-system", &namespace); err != nil {
		return nil, err
	}
	var version struct{ GitVersion string }
	if err := i.getJSON(ctx, "/version", &version); err != nil {
		return nil, err
	}
	if namespace.Metadata.UID == "" {
		return nil, errors.New("namespace kube-system has no UID")
	}
	return &clusterIdentity{namespace.Metadata.UID, version.GitVersion}, nil
}

// getJSON decodes the response to a GET request into v.
func (i *identity) getJSON(ctx context.Context, path string, v any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, i.baseURL.JoinPath(path).String(), nil)
	if err != nil {
		return fmt.Errorf("get %s: %w", path, err)
	}
	request.Header.Set("Accept", "application/json")
	response, err := i.client.Do(request)
	if err != nil {
		return fmt.Errorf("get %s: %w", path, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxResponseBytes))
	switch {
	case err != nil:
		return fmt.Errorf("get %s: %w", path, err)
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("get %s: %s: %.256s", path, response.Status, body)
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("get %s: %w", path, err)
	}
	return nil
}
