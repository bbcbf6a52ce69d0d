package master

import (
	"context"
	"fmt"
	"log/slog"
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

	"rollcall.dev/rollcall/api/keysecret"
	"rollcall.dev/rollcall/api/v1alpha1"
)

const (
	// leaseName is the Lease of the leader election.
	leaseName = "rollcall-master"
	// stopTimeout limits the shutdown of reconcilers and sessions.
	stopTimeout = 8 * time.Second
	// hubQPS and hubBurst limit requests to the hub. They are high enough to write the status of many
	// clusters. The API server limits requests by its own priority and fairness.
	hubQPS, hubBurst = 50, 100
)

// restConfig returns the client configuration for the hub: that of the kubeconfig, else of the pod's
// service account, else of $KUBECONFIG.
func (c *Config) restConfig() (*rest.Config, error) {
	config, err := c.loadHubConfig()
	if err != nil {
		return nil, fmt.Errorf("load the configuration of the hub: %w", err)
	}
	config.UserAgent = "rollcall-master/" + c.Version
	config.QPS, config.Burst = hubQPS, hubBurst
	return config, nil
}

func (c *Config) loadHubConfig() (*rest.Config, error) {
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

// newManager returns a manager with caches, clients and leader election, but without HTTP servers.
// The lease is nil without leader election.
func (c *Config) newManager(ctx context.Context, hub *rest.Config) (manager.Manager, *lease, error) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, nil, fmt.Errorf("register API types: %w", err)
	}
	timeout, duration, deadline := stopTimeout, leaseDuration, renewDeadline
	options := manager.Options{
		Scheme:  scheme,
		Logger:  kubernetesLog(ctx, c.Log),
		Cache:   cache.Options{DefaultTransform: cache.TransformStripManagedFields()},
		Metrics: server.Options{BindAddress: "0"},
		// Controller names have to be unique in a process only for metrics. Tests run two masters
		// in one process.
		Controller:       config.Controller{SkipNameValidation: new(true)},
		LeaderElection:   c.LeaderElect && !c.shared(),
		LeaderElectionID: leaseName,
		LeaseDuration:    &duration,
		RenewDeadline:    &deadline,
		// The process exits right after the manager, so that another replica can lead at once.
		LeaderElectionReleaseOnCancel: true,
		GracefulShutdownTimeout:       &timeout,
	}
	var l *lease
	if options.LeaderElection {
		var err error
		if l, err = newLease(ctx, hub, c.leaseNamespace(), c.Log); err != nil {
			return nil, nil, err
		}
		options.LeaderElectionResourceLockInterface = l
	}
	mgr, err := ctrl.NewManager(hub, options)
	if err != nil {
		return nil, nil, fmt.Errorf("create the manager for the hub: %w", err)
	}
	return mgr, l, nil
}

func (c *Config) leaseNamespace() string {
	if c.LeaderElectionNamespace != "" {
		return c.LeaderElectionNamespace
	}
	return keysecret.PodNamespace()
}

// kubernetesLog returns a logger for Kubernetes libraries. It passes on warnings and errors only,
// until ctx ends, as these libraries log each of their steps.
func kubernetesLog(ctx context.Context, log *slog.Logger) logr.Logger {
	return logr.FromSlogHandler(quietHandler{log.Handler(), ctx})
}

// AdoptLogs sets the process-wide loggers of Kubernetes libraries. They log warnings and errors
// until ctx ends.
func AdoptLogs(ctx context.Context, log *slog.Logger) {
	quiet := kubernetesLog(ctx, log)
	ctrl.SetLogger(quiet)
	klog.SetLogger(quiet)
}
