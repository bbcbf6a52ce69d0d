package oracle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"

	"rollcall.dev/rollcall/test/proc"
)

// ksmResources are the resources for which kube-state-metrics has series. EndpointSlices are left out, since
// kube-state-metrics panics if one has a port without a number.
const ksmResources = "nodes,pods,services,persistentvolumeclaims,persistentvolumes"

// kubeStateMetrics is a running kube-state-metrics.
type kubeStateMetrics struct {
	process *proc.Process
	ports   proc.Ports
	url     string
	http    http.Client
}

// startKubeStateMetrics starts kube-state-metrics for the cluster and waits until it is healthy.
func startKubeStateMetrics(ctx context.Context, dir string) (*kubeStateMetrics, error) {
	executable, err := ksmExecutable(ctx)
	if err != nil {
		return nil, err
	}
	_, kubeconfig, err := env.cluster.User("kube-state-metrics", "system:masters")
	if err != nil {
		return nil, err
	}
	k := &kubeStateMetrics{}
	port, err := k.ports.Of("metrics")
	if err != nil {
		return nil, err
	}
	telemetry, err := k.ports.Of("telemetry")
	if err != nil {
		k.ports.Release()
		return nil, err
	}
	k.url = fmt.Sprintf("http://127.0.0.1:%d", port)
	k.process, err = proc.Start(proc.Command{
		Executable: executable, Home: dir, LogFile: filepath.Join(dir, "logs", "kube-state-metrics.log"),
		Args: []string{
			"--kubeconfig=" + kubeconfig, "--resources=" + ksmResources,
			"--host=127.0.0.1", fmt.Sprintf("--port=%d", port), "--telemetry-host=127.0.0.1", fmt.Sprintf("--telemetry-port=%d", telemetry),
		},
	})
	if err != nil {
		k.ports.Release()
		return nil, err
	}
	err = k.process.WaitReady(ctx, func(ctx context.Context) error {
		_, err := k.get(ctx, "/healthz")
		return err
	})
	if err != nil {
		k.close()
		return nil, err
	}
	return k, nil
}

// ksmExecutable returns the binary that hack/test.sh has built, or builds it with hack/tool.sh.
func ksmExecutable(ctx context.Context) (string, error) {
	if path := os.Getenv("ROLLCALL_KUBE_STATE_METRICS"); path != "" {
		return path, nil
	}
	cmd := exec.CommandContext(ctx, "../../hack/tool.sh", "--path", "kube-state-metrics")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("build kube-state-metrics with hack/tool.sh: %w", err)
	}
	return filepath.Join(string(bytes.TrimSpace(out)), "kube-state-metrics"), nil
}

// close stops kube-state-metrics.
func (k *kubeStateMetrics) close() {
	k.process.Kill()
	k.http.CloseIdleConnections()
	k.ports.Release()
}

// get returns the body of a response with status 200.
func (k *kubeStateMetrics) get(ctx context.Context, path string) (body []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := k.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if body, err = io.ReadAll(response.Body); err != nil {
		return nil, fmt.Errorf("read the response of kube-state-metrics: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("kube-state-metrics: GET %s: %d %.200s", path, response.StatusCode, body)
	}
	return body, nil
}
