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
	// oddPods are about how many there are in a scenario beside those that it asks for.
	oddPods = 60
	// brokenNode is the one that a scenario has not ready. It gets well, or its pods
	// would be evicted in the middle of a measurement.
	brokenNode = 3
	// wideApp are the pods behind one NodePort.
	wideApp = "wide"
)

// played is a cluster that kwok plays, with usage of our own making.
type played struct {
	*kube.Cluster
	usage *usageServer
	pods  []corev1.Pod
	// containers are those that usage is reported of; values are CPU and memory of
	// each of them and of each node.
	nodes, containers, values int
}

// regular returns the cluster of most scenarios, with all controllers and with regular and
// irregular pods.
func (w *world) regular(ctx context.Context) (*played, error) {
	if w.played != nil {
		return w.played, nil
	}
	cluster, err := kube.Start(ctx, kube.Options{Name: "played", Scheduler: true, ControllerManager: true, Kwok: true, Audit: true, Log: w.say})
	if err != nil {
		return nil, err
	}
	p := &played{Cluster: cluster}
	if err := p.fill(ctx, w); err != nil {
		p.close()
		return nil, err
	}
	w.played = p
	w.say("cluster played: %d nodes, %d pods, %d containers that run", p.nodes, len(p.pods), p.containers)
	return p, nil
}

func (p *played) fill(ctx context.Context, w *world) error {
	scenario := kube.Scenario{Nodes: w.sizes.nodes, Pods: max(w.sizes.pods-w.sizes.wide-oddPods, 0), Seed: 1}
	if err := kube.Populate(ctx, p.Cluster, scenario); err != nil {
		return err
	}
	if err := p.SetNodeReady(ctx, kube.NodeName(brokenNode), true); err != nil {
		return err
	}
	if err := p.addWide(ctx, int32(w.sizes.wide)); err != nil {
		return fmt.Errorf("put %d pods behind a NodePort: %w", w.sizes.wide, err)
	}
	if err := p.Settle(ctx); err != nil {
		return err
	}
	list, err := p.Client().CoreV1().Pods("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	p.pods = list.Items
	return p.meter(ctx, w)
}

func (p *played) addWide(ctx context.Context, replicas int32) error {
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

// meter serves usage of all that runs.
func (p *played) meter(ctx context.Context, w *world) error {
	nodes, err := p.Client().CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	p.nodes = len(nodes.Items)
	if p.usage, err = serveUsage(w.sizes.sample, nodes.Items, p.pods); err != nil {
		return err
	}
	p.containers = p.usage.containers
	p.values = 2 * (p.nodes + p.containers)
	return errors.Join(p.RegisterMetricsServer(ctx, p.usage.port()), p.WaitForMetrics(ctx, p.nodes))
}

func (p *played) close() {
	p.Cluster.Close()
	if p.usage != nil {
		p.usage.close()
	}
}

// running returns the pods that run and are ready in ordinary namespaces and for which fits
// returns true.
func (p *played) running(fits func(*corev1.Pod) bool) []corev1.Pod {
	var pods []corev1.Pod
	for i := range p.pods {
		pod := &p.pods[i]
		if pod.Status.Phase == corev1.PodRunning && len(pod.Status.ContainerStatuses) > 0 && fits(pod) {
			pods = append(pods, *pod)
		}
	}
	return pods
}
