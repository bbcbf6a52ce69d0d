package main

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// reporting is spec.reporting of the ClusterAgents.
type reporting struct {
	mode                                                  string
	requestPeriod, cacheTTL, sessionDuration, idleRefresh time.Duration
}

// validate returns an error that names the invalid flag.
func (r reporting) validate() error {
	switch {
	case r.mode != "Continuous" && r.mode != "OnDemand":
		return fmt.Errorf("--mode must be Continuous or OnDemand, got %q", r.mode)
	case r.requestPeriod >= r.cacheTTL || r.requestPeriod >= r.sessionDuration:
		return errors.New("--request-period must be shorter than --cache-ttl and --session-duration")
	}
	return nil
}

// manifest returns one ClusterAgent as YAML. pin is the certificate's fingerprint, empty for
// plain ws. endpoint is "" for an agent that dials the master.
func manifest(name, endpoint, pin string, r reporting) string {
	tls := ""
	if pin != "" {
		tls = fmt.Sprintf("  tls: {pinnedSHA256: [%s]}\n", pin)
	}
	connection := "endpoint: " + endpoint
	if endpoint == "" {
		connection = "connection: Reverse"
	}
	return fmt.Sprintf(`---
apiVersion: rollcall.dev/v1alpha1
kind: ClusterAgent
metadata: {name: %s}
spec:
  %s
%s  reporting: {mode: %s, requestPeriod: %s, cacheTTL: %s, sessionDuration: %s, idleRefresh: %s}
`, name, connection, tls, r.mode, seconds(r.requestPeriod), seconds(r.cacheTTL), seconds(r.sessionDuration), seconds(r.idleRefresh))
}

// seconds formats a duration as the schema requires it.
func seconds(d time.Duration) string { return fmt.Sprintf("%gs", d.Seconds()) }

// writeRegistry writes the ClusterAgents of the fleet to a file.
func (f *fleet) writeRegistry(path string) error {
	if err := os.WriteFile(path, []byte(f.manifests()), 0o600); err != nil {
		return fmt.Errorf("write --write-registry: %w", err)
	}
	return nil
}
