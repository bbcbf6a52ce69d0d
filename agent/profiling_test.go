package agent

import (
	"net/http"
	"path/filepath"
	"testing"
)

func TestProfilesOnlyIfEnabledAndForLoopbackHosts(t *testing.T) {
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	writeKubeconfig(t, kubeconfig, "http://"+unusedAddress(t))
	for _, enabled := range []bool{false, true} {
		a := startAgent(t, func(c *Config) { c.Kubeconfig, c.Profiling = kubeconfig, enabled })
		want := map[string]int{"": http.StatusOK, "localhost:7444": http.StatusOK, "[::1]:7444": http.StatusOK, "attacker.example": http.StatusMisdirectedRequest, "169.254.0.1": http.StatusMisdirectedRequest}
		for host, status := range want {
			if !enabled {
				status = http.StatusNotFound
			}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+a.addresses.Metrics.String()+"/debug/pprof/goroutine", nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Host = host
			response, err := a.client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != status {
				t.Errorf("profiling %t, host %q: got status %d, want %d", enabled, host, response.StatusCode, status)
			}
		}
		if status, _ := a.get("https://" + a.addresses.Masters.String() + "/debug/pprof/goroutine"); status != http.StatusNotFound {
			t.Errorf("profiling %t, address for masters: got status %d, want 404", enabled, status)
		}
		a.stopAndWait()
	}
}
