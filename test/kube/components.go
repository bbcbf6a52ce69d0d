package kube

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// startComponent starts a process that is a client of the API server, with its own user. The user has all rights, since
// the roles that Kubernetes ships for components need too much set-up.
func (c *Cluster) startComponent(executable, user string, arguments func(kubeconfig string) []string) error {
	_, kubeconfig, err := c.User(user, administrators)
	if err != nil {
		return err
	}
	p, err := c.run(executable, arguments(kubeconfig)...)
	if err != nil {
		return err
	}
	c.others = append(c.others, p)
	return nil
}

// startControllerManager starts kube-controller-manager.
func (c *Cluster) startControllerManager(context.Context) error {
	port, err := c.ports.Of("controller-manager")
	if err != nil {
		return err
	}
	return c.startComponent("kube-controller-manager", "system:kube-controller-manager", func(kubeconfig string) []string {
		arguments := []string{
			"--kubeconfig=" + kubeconfig,
			"--bind-address=127.0.0.1",
			fmt.Sprintf("--secure-port=%d", port),
			"--leader-elect=false",
			"--allocate-node-cidrs=false",
			"--root-ca-file=" + c.dir.file(caFile),
			"--service-account-private-key-file=" + c.dir.file(serviceAccountFile),
			"--kube-api-qps=5000",
			"--kube-api-burst=10000",
			"--concurrent-deployment-syncs=20",
			"--concurrent-replicaset-syncs=20",
			"--concurrent-statefulset-syncs=20",
			"--concurrent-daemonset-syncs=10",
			"--concurrent-job-syncs=10",
			"--concurrent-service-endpoint-syncs=20",
			"--pvclaimbinder-sync-period=1s",
		}
		if c.options.NotReadyAfter > 0 {
			arguments = append(arguments, fmt.Sprintf("--node-monitor-grace-period=%s", c.options.NotReadyAfter), "--node-monitor-period=1s")
		}
		return arguments
	})
}

// startScheduler starts kube-scheduler.
func (c *Cluster) startScheduler(context.Context) error {
	port, err := c.ports.Of("scheduler")
	if err != nil {
		return err
	}
	return c.startComponent("kube-scheduler", "system:kube-scheduler", func(kubeconfig string) []string {
		return []string{
			"--kubeconfig=" + kubeconfig,
			"--authentication-kubeconfig=" + kubeconfig,
			"--authorization-kubeconfig=" + kubeconfig,
			"--bind-address=127.0.0.1",
			fmt.Sprintf("--secure-port=%d", port),
			"--leader-elect=false",
			"--kube-api-qps=5000",
			"--kube-api-burst=10000",
		}
	})
}

// waitForServiceAccount waits until the controller-manager works: pods cannot be created in a namespace without its
// default service account.
func (c *Cluster) waitForServiceAccount(ctx context.Context) error {
	controllerManager := c.others[0]
	return controllerManager.WaitReady(ctx, func(ctx context.Context) error {
		_, err := c.client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}
