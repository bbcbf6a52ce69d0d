package main

import (
	"context"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"rollcall.dev/rollcall/test/kube"
)

const (
	// oddPods is about the number of pods that a scenario adds to those that it is asked for.
	oddPods = 60
	// brokenNode is the node that a scenario creates as not ready. The benchmark makes it ready; otherwise its
	// pods would be evicted in the middle of a measurement.
	brokenNode = 3
	// wideApp is the app label of the pods behind one NodePort.
	wideApp = "wide"
)

// kwokCluster is a cluster that kwok simulates, with generated usage.
type kwokCluster struct {
	*kube.Cluster
	usage *usageServer
	pods  []corev1.Pod
	// containers is the number of containers with usage. values counts CPU and memory of
	// each container and each node.
	nodes, containers, values int
}

// regular returns the cluster of most scenarios, with all controllers and with regular pods. The first call
// starts it.
func (env *environment) regular(ctx context.Context) (*kwokCluster, error) {
	if env.regularCluster != nil {
		return env.regularCluster, nil
	}
	cluster, err := kube.Start(ctx, kube.Options{Name: "played", Scheduler: true, ControllerManager: true, Kwok: true, Audit: true, Log: env.log})
	if err != nil {
		return nil, err
	}
	p := &kwokCluster{Cluster: cluster}
	if err := p.populate(ctx, env); err != nil {
		p.close()
		return nil, err
	}
	env.regularCluster = p
	env.log("the regular cluster has %d nodes, %d pods and %d running containers", p.nodes, len(p.pods), p.containers)
	return p, nil
}

// populate creates the nodes and pods, and starts the server of their usage.
func (p *kwokCluster) populate(ctx context.Context, env *environment) error {
	scenario := kube.Scenario{Nodes: env.sizes.nodes, Pods: max(env.sizes.pods-env.sizes.wide-oddPods, 0), Seed: 1}
	if err := kube.Populate(ctx, p.Cluster, scenario); err != nil {
		return err
	}
	if err := p.SetNodeReady(ctx, kube.NodeName(brokenNode), true); err != nil {
		return err
	}
	if err := p.addWide(ctx, int32(env.sizes.wide)); err != nil {
		return fmt.Errorf("put %d pods behind a NodePort: %w", env.sizes.wide, err)
	}
	if err := p.Settle(ctx); err != nil {
		return err
	}
	list, err := p.Client().CoreV1().Pods("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	p.pods = list.Items
	return p.startUsageServer(ctx, env)
}

// addWide creates a Deployment with the given number of replicas and its NodePort Service.
func (p *kwokCluster) addWide(ctx context.Context, replicas int32) error {
	labels := map[string]string{"app": wideApp}
	deployment := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: wideApp, Namespace: metav1.NamespaceDefault},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{
				{Name: "app", Image: "registry.example/wide:1", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}}},
				{Name: "log", Image: "registry.example/fluent-bit:4.0"},
			}}},
		},
	}
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: wideApp, Namespace: metav1.NamespaceDefault},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeNodePort, Selector: labels, Ports: []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromString("http")}},
		},
	}
	_, err := p.Client().AppsV1().Deployments(deployment.Namespace).Create(ctx, deployment, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	_, err = p.Client().CoreV1().Services(service.Namespace).Create(ctx, service, metav1.CreateOptions{})
	return err
}

// startUsageServer serves metrics.k8s.io for all running containers, and waits until the API server has it.
func (p *kwokCluster) startUsageServer(ctx context.Context, env *environment) error {
	nodes, err := p.Client().CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	p.nodes = len(nodes.Items)
	if p.usage, err = serveUsage(env.sizes.sample, nodes.Items, p.pods); err != nil {
		return err
	}
	p.containers = p.usage.containers
	p.values = 2 * (p.nodes + p.containers)
	return errors.Join(p.RegisterMetricsServer(ctx, p.usage.port()), p.WaitForMetrics(ctx, p.nodes))
}

// close stops the cluster and its usage server.
func (p *kwokCluster) close() {
	p.Cluster.Close()
	if p.usage != nil {
		p.usage.close()
	}
}

// running returns the running pods with started containers for which fits returns true.
func (p *kwokCluster) running(fits func(*corev1.Pod) bool) []corev1.Pod {
	var pods []corev1.Pod
	for i := range p.pods {
		pod := &p.pods[i]
		if pod.Status.Phase == corev1.PodRunning && len(pod.Status.ContainerStatuses) > 0 && fits(pod) {
			pods = append(pods, *pod)
		}
	}
	return pods
}
