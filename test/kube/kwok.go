package kube

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"path"
)

// KwokAnnotation makes kwok simulate the kubelet of a node, if its value is "fake". [BehaviorLabel] changes the
// simulation.
const KwokAnnotation = "kwok.x-k8s.io/node"

// BehaviorLabel on a node or pod selects how kwok simulates it, see the Behavior constants. Without it the object is
// healthy.
const BehaviorLabel = "behavior"

// Behaviors of nodes and pods, defined by the kwok stages in stages/.
const (
	BehaviorNotReady  = "not-ready"  // a node that is not ready; a running pod whose first container is not ready
	BehaviorCrashLoop = "crash-loop" // the first container is OOM-killed again and again
	BehaviorImagePull = "image-pull" // ImagePullBackOff
	BehaviorInit      = "init"       // the init containers do not end
	BehaviorCreating  = "creating"   // bound to a node, without a container status
	BehaviorFailed    = "failed"     // ends with an error
	BehaviorEvicted   = "evicted"    // evicted by its node
	BehaviorEndless   = "endless"    // a Job's pod that does not complete
)

// kwokOptions raises kwok's default parallelism.
const kwokOptions = `apiVersion: config.kwok.x-k8s.io/v1alpha1
kind: KwokConfiguration
options:
  podPlayStageParallelism: 16
  nodePlayStageParallelism: 8
  nodeLeaseParallelism: 8
`

//go:embed stages
var stages embed.FS

// startKwok starts kwok and waits until it is healthy.
func (c *Cluster) startKwok(ctx context.Context) error {
	configuration, err := kwokConfiguration()
	if err != nil {
		return err
	}
	file, err := c.dir.write(configuration, "kwok.yaml")
	if err != nil {
		return err
	}
	port, err := c.ports.Of("kwok")
	if err != nil {
		return err
	}
	address := fmt.Sprintf("%s:%d", c.host, port)
	err = c.startComponent("kwok", "system:kwok", func(kubeconfig string) []string {
		return []string{
			"--kubeconfig=" + kubeconfig,
			"--config=" + file,
			"--manage-all-nodes=false",
			"--manage-nodes-with-annotation-selector=" + KwokAnnotation + "=fake",
			"--server-address=" + address,
			fmt.Sprintf("--node-port=%d", port),
			"--node-lease-duration-seconds=40",
		}
	})
	if err != nil {
		return err
	}
	kwok := c.others[len(c.others)-1]
	return kwok.WaitReady(ctx, func(ctx context.Context) error { return probeHTTP(ctx, "http://"+address+"/healthz") })
}

// kwokConfiguration returns kwok's options and all stages in one file.
func kwokConfiguration() ([]byte, error) {
	files, err := stages.ReadDir("stages")
	if err != nil {
		return nil, fmt.Errorf("read kwok's stages: %w", err)
	}
	documents := [][]byte{[]byte(kwokOptions)}
	for _, file := range files {
		stage, err := stages.ReadFile(path.Join("stages", file.Name()))
		if err != nil {
			return nil, fmt.Errorf("read kwok's stages: %w", err)
		}
		documents = append(documents, stage)
	}
	return bytes.Join(documents, []byte("---\n")), nil
}
