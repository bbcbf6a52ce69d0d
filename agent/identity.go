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
)

const (
	// firstRetry and lastRetry are between attempts to read the cluster's identity.
	firstRetry = 500 * time.Millisecond
	lastRetry  = 10 * time.Second
	// readTimeout is what one attempt may take.
	readTimeout = 10 * time.Second
	// maxIdentity bounds what is read of an answer.
	maxIdentity = 1 << 20
)

// identity is who the cluster is: the UID of the namespace kube-system, which stands
// for the cluster, and the version of its API server. It is read once.
type identity struct {
	base   *url.URL
	client *http.Client
	log    *slog.Logger
	known  atomic.Pointer[clusterIdentity]
}

type clusterIdentity struct{ uid, version string }

func newIdentity(config *rest.Config, log *slog.Logger) (*identity, error) {
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, fmt.Errorf("find the API server: %w", err)
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	return &identity{base: base, client: client, log: log}, nil
}

// get returns the identity if it is known.
func (i *identity) get() (uid, version string, ok bool) {
	known := i.known.Load()
	if known == nil {
		return "", "", false
	}
	return known.uid, known.version, true
}

// run reads the identity, again and again until it has it.
func (i *identity) run(ctx context.Context) error {
	defer i.client.CloseIdleConnections()
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		known, err := i.read(ctx)
		switch {
		case err == nil:
			i.known.Store(known)
			return nil
		case ctx.Err() != nil:
			return nil
		case wait == firstRetry:
			i.log.Warn("cannot read the cluster's identity yet, trying on", "error", err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}

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

func (i *identity) getJSON(ctx context.Context, path string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, i.base.JoinPath(path).String(), nil)
	if err != nil {
		return fmt.Errorf("get %s: %w", path, err)
	}
	request.Header.Set("Accept", "application/json")
	answer, err := i.client.Do(request)
	if err != nil {
		return fmt.Errorf("get %s: %w", path, err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxIdentity))
	switch {
	case err != nil:
		return fmt.Errorf("get %s: %w", path, err)
	case answer.StatusCode != http.StatusOK:
		return fmt.Errorf("get %s: %s: %.256s", path, answer.Status, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("get %s: %w", path, err)
	}
	return nil
}
