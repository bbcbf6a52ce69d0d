package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// pollCommand is the first argument that makes this program a poller. A poller is a process of its own, so that
// its CPU and memory can be measured.
const pollCommand = "poll"

// pollMain lists all resources that Rollcall reports, again and again, until ctx ends. It
// prints a line after each poll.
func pollMain(ctx context.Context, args []string) error {
	f := flag.NewFlagSet(pollCommand, flag.ContinueOnError)
	kubeconfig := f.String("kubeconfig", "", "kubeconfig of the cluster")
	every := f.Duration("every", 5*time.Second, "time from one poll to the next")
	zipped := f.Bool("gzip", false, "request compressed responses")
	if err := f.Parse(args); err != nil {
		return err
	}
	p, err := newPoller(*kubeconfig, *zipped)
	if err != nil {
		return err
	}
	ticker := time.NewTicker(*every)
	defer ticker.Stop()
	for {
		startedAt := time.Now()
		if err := p.poll(ctx); err != nil {
			return err
		}
		fmt.Printf("%d objects in %s\n", p.objects(), time.Since(startedAt))
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// poller lists a cluster's resources as most programs that poll do: with client-go's typed clients, which request
// JSON by default. It keeps the lists in memory until the next poll.
type poller struct {
	client kubernetes.Interface
	counts []int
	lists  []any
}

// newPoller returns a poller with or without gzip, and without a client-side rate limit.
func newPoller(kubeconfig string, zipped bool) (*poller, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	config.DisableCompression = !zipped
	config.ContentType = runtime.ContentTypeJSON
	config.AcceptContentTypes = runtime.ContentTypeJSON
	config.QPS = -1
	config.WarningHandler = rest.NoWarnings{}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("create a client: %w", err)
	}
	return &poller{client: client}, nil
}

// poll lists all resources once.
func (p *poller) poll(ctx context.Context) error {
	p.lists, p.counts = nil, nil
	everything := metav1.ListOptions{}
	nodes, err := p.client.CoreV1().Nodes().List(ctx, everything)
	if err != nil {
		return fmt.Errorf("list nodes: %w", err)
	}
	pods, err := p.client.CoreV1().Pods("").List(ctx, everything)
	if err != nil {
		return fmt.Errorf("list pods: %w", err)
	}
	services, err := p.client.CoreV1().Services("").List(ctx, everything)
	if err != nil {
		return fmt.Errorf("list services: %w", err)
	}
	claims, err := p.client.CoreV1().PersistentVolumeClaims("").List(ctx, everything)
	if err != nil {
		return fmt.Errorf("list persistentvolumeclaims: %w", err)
	}
	slices, err := p.client.DiscoveryV1().EndpointSlices("").List(ctx, everything)
	if err != nil {
		return fmt.Errorf("list endpointslices: %w", err)
	}
	p.add(nodes, len(nodes.Items))
	p.add(pods, len(pods.Items))
	p.add(services, len(services.Items))
	p.add(claims, len(claims.Items))
	p.add(slices, len(slices.Items))
	return p.pollUsage(ctx)
}

// pollUsage lists the usage of nodes and pods.
func (p *poller) pollUsage(ctx context.Context) error {
	for _, resource := range []string{"nodes", "pods"} {
		response, err := p.client.Discovery().RESTClient().Get().AbsPath("/apis/metrics.k8s.io/v1beta1", resource).DoRaw(ctx)
		if err != nil {
			return fmt.Errorf("list %s of metrics.k8s.io: %w", resource, err)
		}
		var list struct{ Items []metricsItem }
		if err := json.Unmarshal(response, &list); err != nil {
			return fmt.Errorf("read the %s of metrics.k8s.io: %w", resource, err)
		}
		p.add(list, len(list.Items))
	}
	return nil
}

// add stores one list.
func (p *poller) add(list any, count int) {
	p.lists, p.counts = append(p.lists, list), append(p.counts, count)
}

// objects returns the number of objects in all lists.
func (p *poller) objects() int {
	sum := 0
	for _, n := range p.counts {
		sum += n
	}
	return sum
}
