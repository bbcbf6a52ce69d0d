package oracle

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/test/kube"
)

const (
	// timeout is the time in which the differences must disappear: controllers are working,
	// kwok's kubelets respond late, and usage is read every 15 s.
	timeout  = 2 * time.Minute
	interval = time.Second
	// maxShown is the approximate maximum number of differences in a failure message.
	maxShown = 40
)

// document has the fields of Rollcall's response for the cluster.
type document struct {
	Sections []struct {
		Name       string             `json:"name"`
		ObservedAt time.Time          `json:"observedAt"`
		Error      state.SectionError `json:"error"`
	} `json:"sections"`
	Nodes      []state.NodeView      `json:"nodes"`
	Pods       []state.PodView       `json:"pods"`
	Containers []state.ContainerView `json:"containers"`
}

func TestRollcallAgreesWithKubernetes(t *testing.T) {
	differences := newIntendedDifferences()
	agree := func(t *testing.T) {
		for name, compare := range map[string]func(context.Context) ([]string, error){
			"kubectl get pods":               comparePods,
			"kubectl describe node":          compareNodes,
			"kubectl top":                    (&usageComparison{}).compare,
			"kube-state-metrics by federate": func(ctx context.Context) ([]string, error) { return compareSeries(ctx, federated, differences) },
			"kube-state-metrics by PromQL":   func(ctx context.Context) ([]string, error) { return compareSeries(ctx, queried, differences) },
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				eventuallyEqual(t, compare)
			})
		}
	}
	t.Run("populated", agree)
	if err := kube.Mutate(t.Context(), env.cluster, 200, 1); err != nil {
		t.Fatal(err)
	}
	t.Run("after 200 changes", agree)
	if unused := differences.unused(); len(unused) > 0 && !t.Failed() {
		t.Errorf("delete these entries of intended_test.go, which no longer differ:\n%s", strings.Join(unused, "\n"))
	}
}

// eventuallyEqual waits until a comparison finds no differences, since a cluster always changes a
// little.
func eventuallyEqual(t *testing.T, compare func(context.Context) ([]string, error)) {
	t.Helper()
	deadline := time.Now().Add(timeout)
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		differences, err := compare(t.Context())
		if err == nil && len(differences) == 0 {
			return
		}
		if time.Now().After(deadline) {
			if err != nil {
				t.Fatal(err)
			}
			t.Fatalf("got %d differences after %s, for example:\n%s", len(differences), timeout, strings.Join(sample(differences), "\n"))
		}
		<-ticker.C
	}
}

// sample returns some of the lines, from all parts of the list.
func sample(lines []string) []string {
	var some []string
	for i := 0; i < len(lines); i += 1 + len(lines)/maxShown {
		some = append(some, lines[i])
	}
	return some
}

// getDocument returns the whole document of the cluster.
func getDocument(ctx context.Context) (d document, err error) {
	body, err := getBody(ctx, "/api/v1/clusters/"+clusterName)
	if err != nil {
		return d, err
	}
	return d, decode(body, &d)
}

// getBody returns the body of a response of the master with status 200.
func getBody(ctx context.Context, path string) ([]byte, error) {
	response, err := env.master.Get(ctx, path)
	if err != nil {
		return nil, err
	}
	if response.Status != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %d %.500s", path, response.Status, response.Body)
	}
	return response.Body, nil
}

// differencesOf returns a line for each key whose values differ or that is on one side only.
func differencesOf(what, oracle string, got, want map[string]string) []string {
	keys := slices.Collect(maps.Keys(want))
	for key := range got {
		if _, ok := want[key]; !ok {
			keys = append(keys, key)
		}
	}
	var found []string
	for _, key := range slices.Sorted(slices.Values(keys)) {
		actual, known := got[key]
		expected, wanted := want[key]
		switch {
		case !known:
			found = append(found, fmt.Sprintf("%s %s: Rollcall has none, %s has %q", what, key, oracle, expected))
		case !wanted:
			found = append(found, fmt.Sprintf("%s %s: Rollcall has %q, %s has none", what, key, actual, oracle))
		case actual != expected:
			found = append(found, fmt.Sprintf("%s %s: Rollcall has %q, %s has %q", what, key, actual, oracle, expected))
		}
	}
	return found
}
