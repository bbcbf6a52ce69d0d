package kube

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

const metricsServer = "metrics-server"

// metricsAPIService forwards metrics.k8s.io to metrics-server. It is JSON, since its Go type is in a module that
// nothing else here needs.
const metricsAPIService = `{
  "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
  "metadata": {"name": "v1beta1.metrics.k8s.io"},
  "spec": {
    "group": "metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100,
    "insecureSkipTLSVerify": true,
    "service": {"namespace": "kube-system", "name": "metrics-server", "port": %d}
  }
}`

// startMetricsServer starts metrics-server and registers its API.
func (c *Cluster) startMetricsServer(ctx context.Context) error {
	port, err := c.ports.Of(metricsServer)
	if err != nil {
		return err
	}
	err = c.startComponent(metricsServer, "system:metrics-server", func(kubeconfig string) []string {
		return []string{
			"--kubeconfig=" + kubeconfig,
			"--authentication-kubeconfig=" + kubeconfig,
			"--authorization-kubeconfig=" + kubeconfig,
			"--bind-address=127.0.0.1",
			fmt.Sprintf("--secure-port=%d", port),
			"--cert-dir=" + c.dir.file("metrics-server"),
			"--metric-resolution=15s",
			"--kubelet-insecure-tls",
			"--kubelet-use-node-status-port",
			// All simulated nodes are served by one kwok, at their address of the first type. Real nodes have
			// only the second.
			"--kubelet-preferred-address-types=" + string(corev1.NodeInternalDNS) + "," + string(corev1.NodeInternalIP),
		}
	})
	if err != nil {
		return err
	}
	return c.RegisterMetricsServer(ctx, port)
}

// RegisterMetricsServer makes the API server forward metrics.k8s.io to an HTTPS server on a
// port of this host, for clusters without Options.MetricsServer. It uses a Service of type
// ExternalName, which needs neither endpoints nor a network.
func (c *Cluster) RegisterMetricsServer(ctx context.Context, port int) error {
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceSystem, Name: metricsServer},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "localhost"},
	}
	if _, err := c.client.CoreV1().Services(service.Namespace).Create(ctx, service, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create the Service of metrics-server: %w", err)
	}
	err := c.client.Discovery().RESTClient().Post().AbsPath("/apis/apiregistration.k8s.io/v1/apiservices").
		SetHeader("Content-Type", runtime.ContentTypeJSON).
		Body(fmt.Appendf(nil, metricsAPIService, port)).Do(ctx).Error()
	if err != nil {
		return fmt.Errorf("create the APIService of metrics-server: %w", err)
	}
	return nil
}

// WaitForMetrics waits until metrics.k8s.io has samples of the given number of nodes. metrics-server needs two
// readings, so this takes up to 35 s after the first node is ready.
func (c *Cluster) WaitForMetrics(ctx context.Context, nodes int) error {
	return c.poll(ctx, "metrics", func(ctx context.Context) error {
		sampled, err := c.sampledNodes(ctx)
		if err == nil && sampled < nodes {
			err = fmt.Errorf("%d nodes of %d have samples", sampled, nodes)
		}
		return err
	})
}

// sampledNodes returns the number of nodes in metrics.k8s.io.
func (c *Cluster) sampledNodes(ctx context.Context) (int, error) {
	response, err := c.client.Discovery().RESTClient().Get().AbsPath("/apis/metrics.k8s.io/v1beta1/nodes").
		SetHeader("Accept", runtime.ContentTypeJSON).DoRaw(ctx)
	if err != nil {
		return 0, err
	}
	var list struct{ Items []json.RawMessage }
	if err := json.Unmarshal(response, &list); err != nil {
		return 0, fmt.Errorf("parse the node metrics: %w", err)
	}
	return len(list.Items), nil
}
