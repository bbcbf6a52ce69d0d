package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
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
	fmt.Printf("\n$ curl %s/api/v1/clusters/%s        (an excerpt)\n%s\n", d.master.URL, members[0], excerpt(s.responses[0]))
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

// command is a command to try.
type command struct {
	shows, line string
	// want is a part of its output.
	want string
}

// commands returns the commands to try. They work in a shell that has read the file of writeEnvironment.
func (d *demo) commands() []command {
	query := `sum by (cluster) (kube_pod_info{cluster="` + members[0] + `"})`
	return []command{
		{"all clusters, and what is wrong in them", "kubectl rollcall status && kubectl rollcall problems", members[1]},
		{"the same on the hub", "kubectl get clusteragents,clusterstatus", members[1]},
		{"what uses a port", "kubectl rollcall ports --port 30053", members[0]},
		{"the HTTP API", `curl -sS "$ROLLCALL_SERVER/api/v1/clusters/` + members[0] + `/summary"`, `"cluster":"` + members[0] + `"`},
		{"a cluster by its address", `curl -sS "$ROLLCALL_SERVER/api/v1/clusters/203.0.113.1/ports?kind=NodePort"`, `"cluster":"` + members[0] + `"`},
		{"PromQL", `curl -sSG "$ROLLCALL_SERVER/prometheus/api/v1/query" --data-urlencode 'query=` + query + `'`, `"value"`},
	}
}

// writeEnvironment writes a file for `source`, with which kubectl, its plugin and curl reach hub and master. They verify
// the master by the CA of the hub, which is also in the kubeconfig.
func (d *demo) writeEnvironment() (string, error) {
	path := filepath.Join(d.dir, "environment")
	content := fmt.Sprintf("export KUBECONFIG=%q\nexport ROLLCALL_SERVER=%q\nexport CURL_CA_BUNDLE=%q\nexport PATH=%q:%q:\"$PATH\"\n",
		d.hub.Kubeconfig, d.master.URL, d.authority, d.stack.BinDir(), d.binaries)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		return "", fmt.Errorf("write the environment: %w", err)
	}
	return path, nil
}

// printCommands prints how to look at the demo.
func (d *demo) printCommands() error {
	environment, err := d.writeEnvironment()
	if err != nil {
		return err
	}
	fmt.Printf("\nOpen the page: %s\n(your browser warns of the certificate, which the CA of the hub signed: %s)\n", d.master.URL, d.authority)
	fmt.Printf("\nIn another terminal, kubectl, its plugin and curl reach the hub and the master after\n\n  source %s\n\n", environment)
	for _, c := range d.commands() {
		fmt.Printf("  # %s\n  %s\n", c.shows, c.line)
	}
	fmt.Printf("  # change something, and see it on the page\n  kubectl --kubeconfig %s -n shop scale deployment web --replicas 6\n", d.member[0].Kubeconfig)
	fmt.Printf("\n203.0.113.1 and 203.0.113.2 are made up: the addresses of %s and %s in their ClusterAgents (spec.clusterIPs).\n"+
		"Everywhere, such an address can be used instead of the name. No connection is made to them: the agents are at\n", members[0], members[1])
	for i := range members {
		fmt.Printf("  %s   (its API server: --kubeconfig %s)\n", d.agent[i].Endpoint, d.member[i].Kubeconfig)
	}
	fmt.Printf("\nEverything runs until you press Ctrl-C.\n")
	return nil
}

// runCommands runs the commands as a user would, and returns an error with the output of the first one that fails.
func (d *demo) runCommands(ctx context.Context) error {
	environment, err := d.writeEnvironment()
	if err != nil {
		return err
	}
	for _, c := range d.commands() {
		out, err := exec.CommandContext(ctx, "bash", "-euc", "source "+environment+"; "+c.line).CombinedOutput()
		if err == nil && !strings.Contains(string(out), c.want) {
			err = fmt.Errorf("the output has no %s", c.want)
		}
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", c.line, err, out)
		}
		d.log("ran %s", c.line)
	}
	return nil
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
