package sink

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall.dev/rollcall/test/proc"
)

// server is a real server with a folder of its own. It can be stopped and started.
type server struct {
	t         *testing.T
	address   string
	ports     *proc.Ports
	command   proc.Command
	process   *proc.Process
	readyPath string // responds with 2xx once the server is ready
}

func (r *server) start() {
	r.t.Helper()
	var err error
	if r.process, err = proc.Start(r.command); err != nil {
		r.t.Fatal(err)
	}
	if err := r.process.WaitReady(r.t.Context(), func(context.Context) error {
		_, err := r.get(r.readyPath)
		return err
	}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *server) stop() {
	if r.process != nil {
		r.process.Kill()
		r.process = nil
	}
}

func (r *server) get(path string) (string, error) {
	response, err := http.Get("http://" + r.address + path)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if response.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %s", response.Status, body)
	}
	return string(body), err
}

// port returns a loopback address with a port that is reserved for this test.
func (r *server) port(use string) string {
	r.t.Helper()
	port, err := r.ports.Of(use)
	if err != nil {
		r.t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}

func newServer(t *testing.T, executable, debPackage, readyPath string) *server {
	t.Helper()
	path, err := exec.LookPath(executable)
	if err != nil {
		t.Fatalf("this test needs a real %s: install it (Debian: apt-get install %s): %v", executable, debPackage, err)
	}
	dir := t.TempDir()
	r := &server{t: t, ports: &proc.Ports{}, readyPath: readyPath, command: proc.Command{Executable: path, Home: dir, LogFile: filepath.Join(dir, executable+".log")}}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	t.Cleanup(r.ports.Release)
	t.Cleanup(r.stop)
	r.address = r.port(executable)
	return r
}

func realPrometheus(t *testing.T) *server {
	r := newServer(t, "prometheus", "prometheus", "/-/ready")
	config := filepath.Join(r.command.Home, "prometheus.yml")
	if err := os.WriteFile(config, []byte("global: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.command.Args = []string{
		"--config.file=" + config, "--storage.tsdb.path=" + filepath.Join(r.command.Home, "data"),
		"--web.listen-address=" + r.address, "--web.enable-remote-write-receiver", "--query.lookback-delta=1m",
	}
	return r
}

func realInflux(t *testing.T) *server {
	r := newServer(t, "influxd", "influxdb", "/ping")
	config, dir := filepath.Join(r.command.Home, "influxdb.conf"), r.command.Home
	text := fmt.Sprintf("reporting-disabled = true\nbind-address = %q\n[meta]\n  dir = %q\n[data]\n  dir = %q\n  wal-dir = %q\n[http]\n  bind-address = %q\n  log-enabled = false\n[monitor]\n  store-enabled = false\n",
		r.port("influxd-rpc"), dir+"/meta", dir+"/data", dir+"/wal", r.address)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r.command.Args = []string{"-config", config}
	return r
}

// eventually calls query until it returns want, for at most a minute.
func eventually(t *testing.T, want string, query func() (string, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		got, err := query()
		if err == nil && got == want {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("got %q (%v), want %q", got, err, want)
		}
	}
}

// start runs sinks until stop is called.
func start(t *testing.T, urls ...string) (s *Sinks, metrics *prometheus.Registry, stop func()) {
	t.Helper()
	metrics = prometheus.NewRegistry()
	s, err := New(Config{URLs: urls, Log: quiet, Metrics: metrics})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return s, metrics, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func (s *Sinks) feed(n event) { s.Report(n.cluster, n.state, n.counts, n.at, n.usage) }

// query returns the result of a PromQL query at a second, as `cluster pod value`.
func (r *server) query(promql string, seconds int) (string, error) {
	body, err := r.get("/api/v1/query?query=" + url.QueryEscape(promql) + "&time=" + fmt.Sprint(at(seconds).Unix()))
	if err != nil {
		return "", err
	}
	var response struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &response); err != nil {
		return "", err
	}
	var all []string
	for _, series := range response.Data.Result {
		all = append(all, strings.TrimSpace(series.Metric["cluster"]+" "+series.Metric["pod"])+" "+fmt.Sprint(series.Value[1]))
	}
	return strings.Join(all, "; "), nil
}

// TestRealPrometheusAcceptsRemoteWrite starts Prometheus after the first readings. It accepts them, and
// returns them for the queries of dashboards.
func TestRealPrometheusAcceptsRemoteWrite(t *testing.T) {
	server := realPrometheus(t)
	s, metrics, stop := start(t, "prometheus+http://"+server.address+"?timeout=2s")
	m := newMember(t, 1, "api", "web")
	for i := range 10 {
		s.feed(m.report("prod", 15*i+1, 200))
	}
	eventually(t, "failed", func() (string, error) {
		if gather(t, metrics)["failed_requests_total"] > 0 {
			return "failed", nil
		}
		return "", nil
	})
	server.start()
	m.remove("api")
	s.feed(m.report("prod", 151, 200))
	s.EndSession("prod", at(160))
	eventually(t, "prod web 0.2", func() (string, error) {
		return server.query(`round(sum by (cluster, pod) (rate(container_cpu_usage_seconds_total{cluster="prod",pod="web"}[1m])), 0.001)`, 150)
	})
	for promql, want := range map[string]string{
		`round(sum by (cluster, pod) (rate(container_cpu_usage_seconds_total{pod="api"}[1m])), 0.001)`:                        "prod api 0.2",
		`sum by (cluster) (container_memory_working_set_bytes{container="app"})`:                                              "prod 419430400",
		`sum by (cluster) (kube_pod_container_resource_requests{resource="cpu"})`:                                             "prod 0.5",
		`sum by (cluster) (kube_node_status_allocatable{resource="cpu",job="kube-state-metrics"})`:                            "prod 2",
		`round(sum by (cluster) (rate(container_cpu_usage_seconds_total{id="/",node="n1",container=""}[1m])), 0.001)`:         "prod 0.2",
		`container_memory_working_set_bytes{id="/",node="n1",job="kubelet",metrics_path="/metrics/cadvisor"}`:                 "prod 209715200",
		`rollcall_cluster_pods_by_phase{phase="Running"}`:                                                                     "prod 2",
		`sum by (cluster) (rollcall_node_cpu_cores)`:                                                                          "prod 0.2",
		`round(sum by (cluster) (rate(node_cpu_usage_seconds_total[1m])) / sum by (cluster) (rollcall_cluster_nodes), 0.001)`: "prod 0.2",
	} {
		eventually(t, want, func() (string, error) { return server.query(promql, 137) })
	}
	eventually(t, "prod web 209715200", func() (string, error) { return server.query(`container_memory_working_set_bytes{container!=""}`, 150) })
	eventually(t, "", func() (string, error) { return server.query(`{cluster="prod"}`, 170) }) // all series have ended
	stop()
	if got := gather(t, metrics); got["dropped_sets_total refused"] != 0 || got["queued_sets"] != 0 {
		t.Errorf("got metrics %v, want no refused and no queued sets", got)
	}
}

// TestRealPrometheusAcceptsReadingsOfAnotherMaster sends readings of another master, after those of one
// that ended without stale markers.
func TestRealPrometheusAcceptsReadingsOfAnotherMaster(t *testing.T) {
	server := realPrometheus(t)
	server.start()
	m := newMember(t, 1, "web")
	last := event{}
	for i := range 3 {
		s, metrics, stop := start(t, "prometheus+http://"+server.address)
		if i > 0 {
			s.feed(last) // the last reading of the previous master
		}
		for j := range 4 {
			last = m.report("prod", 60*i+15*j+1, 100)
			s.feed(last)
		}
		stop()
		want(t, gather(t, metrics), map[string]float64{"dropped_sets_total refused": 0, "dropped_sets_total shutdown": 0, "failed_requests_total": 0})
		last.at = last.at.Add(time.Second)
	}
}

func TestRealInfluxDBAcceptsLines(t *testing.T) {
	server := realInflux(t)
	server.start()
	response, err := http.PostForm("http://"+server.address+"/query", url.Values{"q": {"CREATE DATABASE k8s"}})
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("create a database: %v", err)
	}
	response.Body.Close()
	s, metrics, stop := start(t, "influxdb+http://"+server.address+"?db=k8s", "influxdb+http://"+server.address+"?db=k8s&withfields=true&name=fields")
	m := newMember(t, 1, "api", "web")
	for i := range 2 {
		s.feed(m.report("prod", 15*i+1, 200))
	}
	ask := func(q string) func() (string, error) {
		return func() (string, error) {
			body, err := server.get("/query?db=k8s&epoch=s&q=" + url.QueryEscape(q))
			_, values, _ := strings.Cut(body, `"values":`)
			return strings.TrimRight(strings.TrimSpace(values), "}]\n"), err
		}
	}
	for q, want := range map[string]string{
		`SELECT value FROM "cpu/usage_rate" WHERE type='pod' AND pod_name='web' AND cluster_name='prod'`: fmt.Sprintf("[[%d,200],[%d,200", at(0).Unix(), at(15).Unix()),
		`SELECT value FROM "memory/request" WHERE type='ns' AND namespace_name='shop'`:                   fmt.Sprintf("[[%d,2097152],[%d,2097152", at(0).Unix(), at(15).Unix()),
		`SELECT value FROM "cpu/node_utilization" WHERE nodename='n1'`:                                   fmt.Sprintf("[[%d,0.1],[%d,0.1", at(0).Unix(), at(15).Unix()),
		`SELECT usage, request FROM cpu WHERE type='node' AND time > now() - 1h`:                         fmt.Sprintf("[[%d,null,300],[%d,3000000000,300", at(0).Unix(), at(15).Unix()),
		`SELECT nodes_total, pods_running FROM rollcall_cluster`:                                         fmt.Sprintf("[[%d,1,2],[%d,1,2", at(1).Unix(), at(16).Unix()),
	} {
		eventually(t, want, ask(q))
	}
	stop()
	want(t, gather(t, metrics), map[string]float64{"dropped_sets_total refused": 0})
	s, metrics, stop = start(t, "influxdb+http://"+server.address+"?db=none")
	s.feed(m.again("prod", 40, true))
	stop()
	if got := gather(t, metrics); got["dropped_sets_total refused"] == 0 {
		t.Errorf("missing database: got metrics %v, want sets refused", got)
	}
}
