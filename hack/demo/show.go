package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// output has the printed texts, for the check.
type output struct {
	clusterAgents, clusterStatus string
	responses                    [2]response
}

// response has some fields of a response with a cluster.
type response struct {
	Cluster         string          `json:"cluster"`
	ResourceVersion string          `json:"resourceVersion"`
	ObservedAt      time.Time       `json:"observedAt"`
	Session         json.RawMessage `json:"session"`
	Ports           []port          `json:"ports"`
}

// port is a row of the port map.
type port struct {
	Node      string            `json:"node"`
	Address   string            `json:"address,omitempty"`
	Protocol  string            `json:"protocol"`
	Port      int               `json:"port"`
	Kind      string            `json:"kind"`
	Namespace string            `json:"namespace,omitempty"`
	Service   string            `json:"service,omitempty"`
	Pod       string            `json:"pod,omitempty"`
	Targets   []json.RawMessage `json:"targets"`
}

// show gets each cluster once and prints the output for people.
func (d *demo) show(ctx context.Context) (*output, error) {
	var s output
	for i, name := range members {
		if err := d.getCluster(ctx, name, &s.responses[i]); err != nil {
			return nil, err
		}
	}
	var err error
	if s.clusterAgents, err = d.kubectl(ctx, "clusteragents", "Reporting"); err != nil {
		return nil, err
	}
	if s.clusterStatus, err = d.kubectl(ctx, "clusterstatus", "True", "False"); err != nil {
		return nil, err
	}
	d.log("up in %.1f s", time.Since(d.startedAt).Seconds())
	fmt.Printf("\n$ kubectl get clusteragents\n%s\n$ kubectl get clusterstatus\n%s", s.clusterAgents, s.clusterStatus)
	fmt.Printf("\n$ curl -sk %s/api/v1/clusters/%s        (an excerpt)\n%s\n", d.master.URL, members[0], excerpt(s.responses[0]))
	return &s, nil
}

// getCluster gets a cluster. It retries until ctx ends, since the ClusterAgent was applied a moment ago.
func (d *demo) getCluster(ctx context.Context, name string, into *response) error {
	return retry(ctx, func() error {
		got, err := d.master.Get(ctx, "/api/v1/clusters/"+name)
		if err != nil {
			return err
		}
		if got.Status != 200 {
			return fmt.Errorf("GET %s: %d %s", name, got.Status, got.Body)
		}
		return got.Decode(into)
	})
}

// kubectl lists a kind until the row of every member contains one of the words, and returns the table.
func (d *demo) kubectl(ctx context.Context, kind string, words ...string) (out string, err error) {
	err = retry(ctx, func() (err error) {
		if out, err = d.hub.Kubectl("get", kind); err != nil {
			return err
		}
		for _, name := range members {
			if !hasRow(out, name, words) {
				return fmt.Errorf("kubectl get %s: no row of %s with any of %q:\n%s", kind, name, words, out)
			}
		}
		return nil
	})
	return out, err
}

// hasRow reports whether a row of the table starts with name and contains one of the words.
func hasRow(table, name string, words []string) bool {
	for row := range strings.Lines(table) {
		if !strings.HasPrefix(row, name+" ") {
			continue
		}
		for _, w := range words {
			if strings.Contains(row, w) {
				return true
			}
		}
	}
	return false
}

// retry calls f until it returns nil or ctx ends.
func retry(ctx context.Context, f func() error) error {
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", ctx.Err(), err)
		case <-ticker.C:
		}
	}
}

// excerpt returns a response as JSON, with one row of the port map for each kind.
func excerpt(a response) string {
	kinds := map[string]bool{}
	all := a.Ports
	a.Ports = nil
	for _, p := range all {
		if kinds[p.Kind] || len(p.Targets) == 0 {
			continue
		}
		kinds[p.Kind] = true
		p.Targets = p.Targets[:1]
		a.Ports = append(a.Ports, p)
	}
	return a.String()
}

// String returns the response as JSON, with one line for each row of the port map.
func (a response) String() string {
	var rows []string
	for _, p := range a.Ports {
		row, err := json.Marshal(p)
		if err != nil {
			return err.Error()
		}
		rows = append(rows, string(row))
	}
	return fmt.Sprintf("{\"cluster\":%q,\"resourceVersion\":%q,\"observedAt\":%q,\n \"session\":%s,\n \"ports\":[\n  %s]}",
		a.Cluster, a.ResourceVersion, a.ObservedAt.Format(time.RFC3339), a.Session, strings.Join(rows, ",\n  "))
}

// printCommands prints commands to try.
func (d *demo) printCommands() {
	kubectl := filepath.Join(d.binaries, "kubectl")
	fmt.Printf(`
Everything runs until you press Ctrl-C.

  the hub        export KUBECONFIG=%s
  kubectl        alias kubectl=%s
  the master     %s
`, d.hub.Kubeconfig, kubectl, d.master.URL)
	for i, name := range members {
		fmt.Printf("  %-13s  %s   (its API server: --kubeconfig %s)\n", name, d.agent[i].Endpoint, d.member[i].Kubeconfig)
	}
	fmt.Printf(`
Try

  kubectl get clusteragents,clusterstatus
  curl -sk %[1]s/api/v1/clusters/%[2]s/summary
  curl -sk '%[1]s/api/v1/clusters/%[2]s/containers?state=waiting'
  curl -sk '%[1]s/api/v1/clusters/203.0.113.1/ports?kind=NodePort'
  kubectl --kubeconfig %[3]s -n shop scale deployment web --replicas 6
`, d.master.URL, members[0], d.member[0].Kubeconfig)
}

// check returns an error unless every cluster is Ready, has ports of each kind and the expected number of ready nodes.
func (s *output) check() error {
	for i, name := range members {
		a := s.responses[i]
		if a.Cluster != name || a.ResourceVersion == "" || a.ObservedAt.IsZero() {
			return fmt.Errorf("the response for %s has cluster %q, resourceVersion %q, observedAt %s; want this cluster and no empty value", name, a.Cluster, a.ResourceVersion, a.ObservedAt)
		}
		kinds := map[string]int{}
		for _, p := range a.Ports {
			kinds[p.Kind]++
		}
		for _, kind := range []string{"NodePort", "HealthCheckNodePort", "LoadBalancer", "ExternalIP", "HostPort", "HostNetwork", "Kubelet"} {
			if kinds[kind] == 0 {
				return fmt.Errorf("the port map of %s has no port of kind %s", name, kind)
			}
		}
		if !hasRow(s.clusterAgents, name, []string{"True"}) {
			return fmt.Errorf("%s is not Ready:\n%s", name, s.clusterAgents)
		}
		if !hasRow(s.clusterStatus, name, []string{"3/5", "4/5"}) {
			return fmt.Errorf("%s: want 3/5 or 4/5 ready nodes, got\n%s", name, s.clusterStatus)
		}
	}
	return nil
}
