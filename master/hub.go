package master

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"rollcall.dev/rollcall/api/v1alpha1"
)

const (
	// leaseName is the Lease by which masters agree on the one that leads.
	leaseName = "rollcall-master"
	// defaultNamespace is where config/master puts masters.
	defaultNamespace = "rollcall-system"
	// stopTimeout is how long reconcilers and sessions may take to end.
	stopTimeout = 8 * time.Second
	// Requests to the hub a second, on average and at once: what writing the status of
	// many clusters needs. The API server has its own fairness.
	hubQPS, hubBurst = 50, 100
)

// namespaceFile is where a pod reads its namespace.
const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// restConfig is how the hub is reached: the kubeconfig that was named, else the pod's
// service account, else $KUBECONFIG.
func (c *Config) restConfig() (*rest.Config, error) {
	config, err := c.findHub()
	if err != nil {
		return nil, fmt.Errorf("find the hub: %w", err)
	}
	config.UserAgent = "rollcall-master/" + c.Version
	config.QPS, config.Burst = hubQPS, hubBurst
	return config, nil
}

func (c *Config) findHub() (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	if c.Kubeconfig == "" {
		if config, err := rest.InClusterConfig(); err == nil {
			return config, nil
		}
	} else {
		rules.ExplicitPath = c.Kubeconfig
	}
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{}).ClientConfig()
}

// newManager is controller-runtime's manager with nothing but its caches, its clients
// and the election of a leader: HTTP is our own. The lease is nil where there is none.
func (c *Config) newManager(ctx context.Context, hub *rest.Config) (manager.Manager, *lease, error) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, nil, fmt.Errorf("register types: %w", err)
	}
	timeout, deadline := stopTimeout, renewDeadline
	options := manager.Options{
		Scheme:  scheme,
		Logger:  kubernetesLog(ctx, c.Log),
		Cache:   cache.Options{DefaultTransform: cache.TransformStripManagedFields()},
		Metrics: server.Options{BindAddress: "0"},
		// The names of controllers tell metrics of one process apart; two masters in one
		// are a test.
		Controller:       config.Controller{SkipNameValidation: new(true)},
		LeaderElection:   c.LeaderElect,
		LeaderElectionID: leaseName,
		RenewDeadline:    &deadline,
		// The process ends right after the manager, so the next may lead at once.
		LeaderElectionReleaseOnCancel: true,
		GracefulShutdownTimeout:       &timeout,
	}
	var l *lease
	if c.LeaderElect {
		var err error
		if l, err = newLease(hub, c.leaseNamespace(), c.Log); err != nil {
			return nil, nil, err
		}
		options.LeaderElectionResourceLockInterface = l
	}
	mgr, err := ctrl.NewManager(hub, options)
	if err != nil {
		return nil, nil, fmt.Errorf("prepare the hub's clients: %w", err)
	}
	return mgr, l, nil
}

func (c *Config) leaseNamespace() string {
	if c.LeaderElectionNamespace != "" {
		return c.LeaderElectionNamespace
	}
	return podNamespace()
}

// podNamespace returns the namespace of this pod, outside of a cluster the one where
// config/master puts masters.
func podNamespace() string {
	if namespace, err := os.ReadFile(namespaceFile); err == nil {
		return string(bytes.TrimSpace(namespace))
	}
	return defaultNamespace
}

// kubernetesLog is the log of Kubernetes' libraries within ours, until ctx ends:
// warnings and errors only, as they tell each of their steps.
func kubernetesLog(ctx context.Context, log *slog.Logger) logr.Logger {
	return logr.FromSlogHandler(quietHandler{log.Handler(), ctx})
}

// AdoptLogs makes the log the one of Kubernetes' libraries, which have one per process:
// what they warn of goes there until ctx ends.
func AdoptLogs(ctx context.Context, log *slog.Logger) {
	quiet := kubernetesLog(ctx, log)
	ctrl.SetLogger(quiet)
	klog.SetLogger(quiet)
}
