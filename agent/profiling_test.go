package agent

import (
	"net/http"
	"path/filepath"
	"testing"
)

func TestProfilesAreServedWhereSaidAndForLoopbackNamesOnly(t *testing.T) {
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	writeKubeconfig(t, kubeconfig, "http://"+closedPort(t))
	for _, on := range []bool{false, true} {
		a := start(t, func(c *Config) { c.Kubeconfig, c.Profiling = kubeconfig, on })
		want := map[string]int{"": http.StatusOK, "localhost:7444": http.StatusOK, "[::1]:7444": http.StatusOK, "attacker.example": http.StatusMisdirectedRequest, "169.254.0.1": http.StatusMisdirectedRequest}
		for host, status := range want {
			if !on {
				status = http.StatusNotFound
			}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+a.addresses.Metrics.String()+"/debug/pprof/goroutine", nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Host = host
			answer, err := a.client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode != status {
				t.Errorf("profiling %t, host %q: %d, want %d", on, host, answer.StatusCode, status)
			}
		}
		if status, _ := a.get("https://" + a.addresses.Masters.String() + "/debug/pprof/goroutine"); status != http.StatusNotFound {
			t.Errorf("profiling %t, at the address for masters: %d, want 404", on, status)
		}
		a.ended()
	}
}
