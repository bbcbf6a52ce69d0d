package oracle

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"rollcall.dev/rollcall/api/state"
)

// asTable is the media type of the API server's tables.
const asTable = "application/json;as=Table;v=v1;g=meta.k8s.io"

// podColumns returns READY, STATUS and RESTARTS of `kubectl get pods`, computed by the API
// server, by namespace/name.
func podColumns(ctx context.Context) (map[string][3]string, error) {
	body, err := env.cluster.Client().Discovery().RESTClient().Get().AbsPath("/api/v1/pods").SetHeader("Accept", asTable).DoRaw(ctx)
	if err != nil {
		return nil, fmt.Errorf("get the table of pods: %w", err)
	}
	var table metav1.Table
	if err := decode(body, &table); err != nil {
		return nil, err
	}
	column := map[string]int{}
	for i, c := range table.ColumnDefinitions {
		column[c.Name] = i
	}
	columns := map[string][3]string{}
	for _, row := range table.Rows {
		var object metav1.PartialObjectMetadata
		if err := decode(row.Object.Raw, &object); err != nil {
			return nil, err
		}
		var cells [3]string
		for i, name := range [...]string{"Ready", "Status", "Restarts"} {
			at, ok := column[name]
			if !ok {
				return nil, fmt.Errorf("the table of pods has no column %q: %v", name, table.ColumnDefinitions)
			}
			cells[i] = fmt.Sprint(row.Cells[at])
		}
		columns[object.Namespace+"/"+object.Name] = cells
	}
	return columns, nil
}

// comparePods compares READY, STATUS and RESTARTS of all pods.
func comparePods(ctx context.Context) ([]string, error) {
	startedAt := time.Now()
	table, err := podColumns(ctx)
	if err != nil {
		return nil, err
	}
	ended := time.Now()
	d, err := getDocument(ctx)
	if err != nil {
		return nil, err
	}
	got, want := map[string]string{}, map[string]string{}
	for key, cells := range table {
		want[key] = fmt.Sprint(cells)
	}
	for _, p := range d.Pods {
		key := p.Namespace + "/" + p.Name
		restarts := restartsColumn(p.Pod, ended)
		// The age in RESTARTS is that at some instant between the request and the response.
		for at := startedAt; at.Before(ended) && restarts != table[key][2]; at = at.Add(10 * time.Millisecond) {
			restarts = restartsColumn(p.Pod, at)
		}
		got[key] = fmt.Sprint([3]string{p.Ready.String(), p.Status, restarts})
	}
	return differencesOf("READY, STATUS and RESTARTS of pod", "the API server", got, want), nil
}

// restartsColumn formats a pod's restarts as the API server does.
func restartsColumn(p *state.Pod, now time.Time) string {
	if p.Restarts == 0 || p.LastRestartAt == 0 {
		return fmt.Sprint(p.Restarts)
	}
	return fmt.Sprintf("%d (%s ago)", p.Restarts, duration.HumanDuration(now.Sub(p.LastRestartAt.Time())))
}

// decode decodes JSON.
func decode(text []byte, into any) error {
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("decode %.200q as %T: %w", text, into, err)
	}
	return nil
}
