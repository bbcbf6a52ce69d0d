package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// shown is what was printed, for the check.
type shown struct {
	clusterAgents, clusterStatus string
	answers                      [2]answer
}

// answer is an excerpt of one HTTP answer.
type answer struct {
	Cluster         string          `json:"cluster"`
	ResourceVersion string          `json:"resourceVersion"`
	ObservedAt      time.Time       `json:"observedAt"`
	Session         json.RawMessage `json:"session"`
	Ports           []port          `json:"ports"`
}

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

// show asks each cluster once and prints what a person would look at.
func (d *demo) show(ctx context.Context) (*shown, error) {
	var s shown
	for i, name := range members {
		if err := d.ask(ctx, name, &s.answers[i]); err != nil {
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
	d.say("up in %.1f s", time.Since(d.began).Seconds())
	fmt.Printf("\n$ kubectl get clusteragents\n%s\n$ kubectl get clusterstatus\n%s", s.clusterAgents, s.clusterStatus)
	fmt.Printf("\n$ curl -sk %s/api/v1/clusters/%s        (an excerpt)\n%s\n", d.master.URL, members[0], excerpt(s.answers[0]))
	return &s, nil
}

// ask gets a cluster until it is there: its ClusterAgent was applied a moment ago.
func (d *demo) ask(ctx context.Context, name string, into *answer) error {
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

// kubectl lists a kind until every member has one of the words in its row.
func (d *demo) kubectl(ctx context.Context, kind string, words ...string) (out string, err error) {
	err = retry(ctx, func() (err error) {
		if out, err = d.hub.Kubectl("get", kind); err != nil {
			return err
		}
		for _, name := range members {
			if !hasRow(out, name, words) {
				return fmt.Errorf("kubectl get %s has no row of %s with any of %q:\n%s", kind, name, words, out)
			}
		}
		return nil
	})
	return out, err
}

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

// excerpt returns a response with one row of the port map for each kind.
func excerpt(a answer) string {
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
func (a answer) String() string {
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

// invite prints commands to try.
func (d *demo) invite() {
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

// check looks at what was shown.
func (s *shown) check() error {
	for i, name := range members {
		a := s.answers[i]
		if a.Cluster != name || a.ResourceVersion == "" || a.ObservedAt.IsZero() {
			return fmt.Errorf("the answer of %s is of %q, version %q, observed at %s", name, a.Cluster, a.ResourceVersion, a.ObservedAt)
		}
		kinds := map[string]int{}
		for _, p := range a.Ports {
			kinds[p.Kind]++
		}
		for _, kind := range []string{"NodePort", "HealthCheckNodePort", "LoadBalancer", "ExternalIP", "HostPort", "HostNetwork", "Kubelet"} {
			if kinds[kind] == 0 {
				return fmt.Errorf("the port map of %s has no %s", name, kind)
			}
		}
		if !hasRow(s.clusterAgents, name, []string{"True"}) {
			return fmt.Errorf("%s is not Ready:\n%s", name, s.clusterAgents)
		}
		if !hasRow(s.clusterStatus, name, []string{"3/5", "4/5"}) {
			return fmt.Errorf("%s has not some of 5 nodes ready:\n%s", name, s.clusterStatus)
		}
	}
	return nil
}
