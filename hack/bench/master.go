package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// waitListed waits until the master's list of clusters contains a cluster, or no longer does if wanted is false.
// Listing clusters is no demand.
func (env *environment) waitListed(ctx context.Context, cluster string, wanted bool) error {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		there, err := env.isListed(ctx, cluster)
		if err != nil {
			return err
		}
		if there == wanted {
			return nil
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("wait for the list of clusters: cluster %s is listed: %t, want %t", cluster, !wanted, wanted)
}

// isListed reports whether the master's list of clusters contains a cluster.
func (env *environment) isListed(ctx context.Context, cluster string) (bool, error) {
	response, err := env.master.Get(ctx, "/api/v1/clusters")
	if err != nil {
		return false, err
	}
	if response.Status != http.StatusOK {
		return false, fmt.Errorf("list clusters: %d %s", response.Status, response.Body)
	}
	var list struct{ Clusters []struct{ Name string } }
	if err := response.Decode(&list); err != nil {
		return false, err
	}
	for _, c := range list.Clusters {
		if c.Name == cluster {
			return true, nil
		}
	}
	return false, nil
}
