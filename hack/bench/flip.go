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
	// flipSettles is when all that follows from a flip has been sent: an EndpointSlice
	// changes some time after its pod.
	flipSettles = 2 * time.Second
)

// measureFlip changes one pod at a time.
func measureFlip(ctx context.Context, w *world) (rows []row, err error) {
	p, s, err := w.sharedSession(ctx)
	if err != nil {
		return nil, err
	}
	p.usage.play(load.Still)
	served, err := p.servedPods(ctx)
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
		sizes, err := w.flips(ctx, p, s.session, pods)
		if err != nil {
			return rows, err
		}
		what := f.what
		if f.id == "flip.wide" {
			what += " with " + thousands(w.sizes.wide) + " endpoints"
		}
		rows = append(rows, goal(f.id, what, "≤ 400 bytes", median(sizes) <= flipGoal,
			"%d bytes, at most %d, of %d flips", median(sizes), percentile(sizes, 100), len(sizes)))
	}
	return rows, nil
}

// servedPods returns the apps that Services select, as keys of namespace and label.
func (p *played) servedPods(ctx context.Context) (map[string]bool, error) {
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

// flips returns the bytes that one change of each pod costs: all flushes with that change,
// whole. If a change came in one flush with a usage reading it is discarded, and another pod is
// measured instead.
func (w *world) flips(ctx context.Context, p *played, s *session, pods []corev1.Pod) (sizes []int64, err error) {
	for i := 0; len(sizes) < w.sizes.flips; i++ {
		if i == len(pods) {
			return nil, fmt.Errorf("%d of %d pods told what a flip costs, want %d", len(sizes), len(pods), w.sizes.flips)
		}
		from, _ := s.at()
		if _, err := change(ctx, p.Cluster, &pods[i]); err != nil {
			return nil, err
		}
		if err := sleep(ctx, flipSettles); err != nil {
			return nil, err
		}
		to, _ := s.at()
		changed := only(s.between(from, to), func(f flush) bool { return f.delta > 0 })
		if len(changed) > 0 && !slices.ContainsFunc(changed, usageFlush) {
			sizes = append(sizes, sum(changed, func(f flush) int64 { return f.down }))
		}
	}
	return sizes, nil
}
