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

// pollCommand makes this program a poller: a process of its own, so that what it takes
// of the machine is its own.
const pollCommand = "poll"

// pollMain lists all that Rollcall knows, again and again, until the context ends. It
// prints a line for each poll that is done.
func pollMain(ctx context.Context, args []string) error {
	f := flag.NewFlagSet(pollCommand, flag.ContinueOnError)
	kubeconfig := f.String("kubeconfig", "", "the cluster")
	every := f.Duration("every", 5*time.Second, "time from one poll to the next")
	zipped := f.Bool("gzip", false, "have the API server compress")
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
		began := time.Now()
		if err := p.poll(ctx); err != nil {
			return err
		}
		fmt.Printf("%d objects in %s\n", p.objects(), time.Since(began))
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// poller is what most programs are that watch a cluster without watching: client-go's
// typed clients, which ask for JSON unless told otherwise. It holds what it listed until
// the next poll.
type poller struct {
	client kubernetes.Interface
	counts []int
	held   []any
}

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
		return nil, fmt.Errorf("make a client: %w", err)
	}
	return &poller{client: client}, nil
}

func (p *poller) poll(ctx context.Context) error {
	p.held, p.counts = nil, nil
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
	p.keep(nodes, len(nodes.Items))
	p.keep(pods, len(pods.Items))
	p.keep(services, len(services.Items))
	p.keep(claims, len(claims.Items))
	p.keep(slices, len(slices.Items))
	return p.pollUsage(ctx)
}

func (p *poller) pollUsage(ctx context.Context) error {
	for _, resource := range []string{"nodes", "pods"} {
		answer, err := p.client.Discovery().RESTClient().Get().AbsPath("/apis/metrics.k8s.io/v1beta1", resource).DoRaw(ctx)
		if err != nil {
			return fmt.Errorf("list %s of metrics.k8s.io: %w", resource, err)
		}
		var list struct{ Items []metricsItem }
		if err := json.Unmarshal(answer, &list); err != nil {
			return fmt.Errorf("read the %s of metrics.k8s.io: %w", resource, err)
		}
		p.keep(list, len(list.Items))
	}
	return nil
}

func (p *poller) keep(list any, count int) {
	p.held, p.counts = append(p.held, list), append(p.counts, count)
}

func (p *poller) objects() int {
	sum := 0
	for _, n := range p.counts {
		sum += n
	}
	return sum
}
