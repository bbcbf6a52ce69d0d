package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// listed waits until the master's list of clusters has one, or has it no more. To list is
// no demand.
func (w *world) listed(ctx context.Context, cluster string, wanted bool) error {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		there, err := w.isListed(ctx, cluster)
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
	return fmt.Errorf("the master lists cluster %s: %t, want %t", cluster, !wanted, wanted)
}

func (w *world) isListed(ctx context.Context, cluster string) (bool, error) {
	answer, err := w.master.Get(ctx, "/api/v1/clusters")
	if err != nil {
		return false, err
	}
	if answer.Status != http.StatusOK {
		return false, fmt.Errorf("list clusters: %d %s", answer.Status, answer.Body)
	}
	var list struct{ Clusters []struct{ Name string } }
	if err := answer.Decode(&list); err != nil {
		return false, err
	}
	for _, c := range list.Clusters {
		if c.Name == cluster {
			return true, nil
		}
	}
	return false, nil
}
