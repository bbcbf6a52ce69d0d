package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"rollcall.dev/rollcall/test/load"
)

const (
	flipGoal = 400 // bytes
	// flipSettles is the time in which all changes after a flip are sent: an EndpointSlice
	// changes some time after its pod.
	flipSettles = 2 * time.Second
)

// measureFlip toggles the readiness of one pod at a time, and measures the bytes of each change.
func measureFlip(ctx context.Context, env *environment) (rows []row, err error) {
	p, s, err := env.sharedSession(ctx)
	if err != nil {
		return nil, err
	}
	p.usage.setLoad(load.Still)
	served, err := p.servedApps(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range []struct {
		id, what string
		fits     func(*corev1.Pod) bool
	}{
		{"flip.pod", "one pod's readiness flips", func(pod *corev1.Pod) bool { return !served[pod.Namespace+"/"+pod.Labels["app"]] }},
		{"flip.wide", "one pod's readiness flips behind a NodePort", func(pod *corev1.Pod) bool { return pod.Labels["app"] == wideApp }},
	} {
		pods := shuffled(p.running(f.fits))
		sizes, err := env.flipSizes(ctx, p, s.session, pods)
		if err != nil {
			return rows, err
		}
		what := f.what
		if f.id == "flip.wide" {
			what += " with " + thousands(env.sizes.wide) + " endpoints"
		}
		rows = append(rows, goalRow(f.id, what, "≤ 400 bytes", median(sizes) <= flipGoal,
			"%d bytes, at most %d, of %d flips", median(sizes), percentile(sizes, 100), len(sizes)))
	}
	return rows, nil
}

// servedApps returns the apps that Services select, as "namespace/app".
func (p *kwokCluster) servedApps(ctx context.Context) (map[string]bool, error) {
	services, err := p.Client().CoreV1().Services("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	served := map[string]bool{}
	for i := range services.Items {
		served[services.Items[i].Namespace+"/"+services.Items[i].Spec.Selector["app"]] = true
	}
	return served, nil
}

// flipSizes returns the bytes that one change of each pod costs: the size of all flushes with that change.
// A change that shares a flush with a usage reading is discarded, and another pod is
// measured instead.
func (env *environment) flipSizes(ctx context.Context, p *kwokCluster, s *session, pods []corev1.Pod) (sizes []int64, err error) {
	for i := 0; len(sizes) < env.sizes.flips; i++ {
		if i == len(pods) {
			return nil, fmt.Errorf("measured the flips of %d of %d pods, want %d", len(sizes), len(pods), env.sizes.flips)
		}
		from, _ := s.progress()
		if _, err := toggleReadiness(ctx, p.Cluster, &pods[i]); err != nil {
			return nil, err
		}
		if err := sleep(ctx, flipSettles); err != nil {
			return nil, err
		}
		to, _ := s.progress()
		changed := filter(s.flushRange(from, to), func(f flush) bool { return f.delta > 0 })
		if len(changed) > 0 && !slices.ContainsFunc(changed, usageFlush) {
			sizes = append(sizes, sum(changed, func(f flush) int64 { return f.down }))
		}
	}
	return sizes, nil
}
