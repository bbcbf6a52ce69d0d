package e2e

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"rollcall.dev/rollcall/test/kube"
	"rollcall.dev/rollcall/test/proc"
	"rollcall.dev/rollcall/test/stack"
)

// dashboard has the queries of a Grafana dashboard.
type dashboard struct {
	UID        string
	Templating struct {
		List []struct{ Name, Type, Query string }
	}
	Panels []struct {
		Title   string
		Targets []struct{ Expr string }
	}
}

// readDashboard reads a dashboard.
func readDashboard(t *testing.T, name string) (b dashboard) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "config/grafana/dashboards", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if b.UID != name || len(b.Panels) == 0 {
		t.Errorf("%s: got uid %q and %d panels, want the file's name and at least one", name, b.UID, len(b.Panels))
	}
	return b
}

// promServer is a server with Prometheus' HTTP API.
type promServer struct {
	http *http.Client
	url  string
}

// getData gets the data of a response.
func (s promServer) getData(t *testing.T, path string, query url.Values, into any) error {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+path, strings.NewReader(query.Encode()))
	if strings.Contains(path, "/label/") {
		request, err = http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path+"?"+query.Encode(), nil)
	}
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := s.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	var reply struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.Unmarshal(body, &reply); err != nil || reply.Status != "success" {
		return fmt.Errorf("%d %s", response.StatusCode, body)
	}
	return json.Unmarshal(reply.Data, into)
}

// hasData returns an error unless an instant query has a result and a range query succeeds.
func (s promServer) hasData(t *testing.T, expr string) error {
	t.Helper()
	var found struct{ Result []json.RawMessage }
	if err := s.getData(t, "/api/v1/query", url.Values{"query": {expr}}, &found); err != nil {
		return err
	}
	if len(found.Result) == 0 {
		return fmt.Errorf("no data for %s", expr)
	}
	now := time.Now().Unix()
	over := url.Values{"query": {expr}, "start": {fmt.Sprint(now - 60)}, "end": {fmt.Sprint(now)}, "step": {"15"}}
	return s.getData(t, "/api/v1/query_range", over, &found)
}

var labelValues = regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)

// checkDashboard sends the queries of a dashboard, and fails the test unless every panel has data and every variable a
// value. in replaces the variables as Grafana does.
func (s promServer) checkDashboard(t *testing.T, name string, in *strings.Replacer) {
	t.Helper()
	b := readDashboard(t, name)
	// The queries of the panels make the cluster report, those of the variables do not.
	for _, panel := range b.Panels {
		for _, target := range panel.Targets {
			kube.Eventually(t, 90*time.Second, func() error {
				if err := s.hasData(t, in.Replace(target.Expr)); err != nil {
					return fmt.Errorf("%s, %s: %w", name, panel.Title, err)
				}
				return nil
			})
		}
	}
	for _, v := range b.Templating.List {
		m := labelValues.FindStringSubmatch(v.Query)
		if v.Type != "query" {
			continue
		}
		if m == nil {
			t.Errorf("%s: variable %s: got query %s, want label_values(…)", name, v.Name, v.Query)
			continue
		}
		kube.Eventually(t, time.Minute, func() error {
			var values []string
			err := s.getData(t, "/api/v1/label/"+m[2]+"/values", url.Values{"match[]": {in.Replace(m[1])}}, &values)
			if err == nil && len(values) == 0 {
				err = fmt.Errorf("%s: the variable %s has no values", name, v.Name)
			}
			return err
		})
	}
}

func TestDashboardsShowData(t *testing.T) {
	t.Parallel()
	a := startAgent(t, "grafana", "")
	variables := strings.NewReplacer("$cluster", "grafana", "$namespace", ".*", "$port", ".*", "$__rate_interval", "2m")
	s := promServer{env.master.HTTP, env.master.URL + "/prometheus"}
	var sum struct{ Result []json.RawMessage }
	if err := s.getData(t, "/api/v1/query", url.Values{"query": {"1+1"}, "time": {"4"}}, &sum); err != nil {
		t.Errorf("the query of \"Save & test\": %v", err)
	}
	// The dashboard of one cluster makes it report; the others show the data of reporting clusters.
	for _, name := range []string{"rollcall-cluster", "rollcall-ports", "rollcall-fleet"} {
		s.checkDashboard(t, name, variables)
	}
	getCluster(t, env.master, "grafana") // some metrics exist only after the first request
	scraped := scrape(t, env.master, a)
	scraped.checkDashboard(t, "rollcall-itself", strings.NewReplacer("$__rate_interval", "30s"))
}

// scrape starts a Prometheus that scrapes the master and an agent.
func scrape(t *testing.T, m *stack.Master, a *stack.Agent) promServer {
	t.Helper()
	dir := t.TempDir()
	host := func(address string) string { return address[strings.LastIndex(address, "/")+1:] }
	config := fmt.Sprintf(`
global: {scrape_interval: 1s}
scrape_configs:
- job_name: rollcall-master
  scheme: https
  tls_config: {insecure_skip_verify: true}
  static_configs: [{targets: [%q]}]
- job_name: rollcall-agent
  static_configs: [{targets: [%q]}]
`, host(m.URL), host(a.MetricsURL))
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var ports proc.Ports
	t.Cleanup(ports.Release)
	port, err := ports.Of("prometheus")
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	executable, err := exec.LookPath("prometheus")
	if err != nil {
		t.Fatalf("this test needs a real Prometheus: install it (Debian: apt-get install prometheus): %v", err)
	}
	p, err := proc.Start(proc.Command{
		Executable: executable, Home: dir, LogFile: filepath.Join(dir, "prometheus.log"),
		Args: []string{"--config.file", file, "--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", address},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	s := promServer{&http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, DisableKeepAlives: true}}, "http://" + address}
	kube.Eventually(t, 30*time.Second, func() error { return s.hasData(t, `up == 1`) })
	return s
}

func TestGrafanaInstallationFollowsItsDocument(t *testing.T) {
	t.Parallel()
	dir := withConfig(t)
	for _, section := range []string{"Dashboards and data source", "Credentials of Grafana"} {
		for _, block := range blocks(readDoc(t, "docs/GRAFANA.md"), section) {
			shell(t, dir, env.hub, strings.TrimPrefix(block, "sh\n"))
		}
	}
	for label, file := range map[string]string{"grafana_dashboard=1": "rollcall-fleet.json", "grafana_datasource=1": "datasource.yaml"} {
		out, err := env.hub.Kubectl("get", "configmaps", "-n", "monitoring", "-l", label, "-o", "json")
		if err != nil || !strings.Contains(out, file) {
			t.Errorf("%s: %v\n%s", label, err, out)
		}
	}
}
