package kube

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"path"
)

// KwokAnnotation has kwok play the kubelet of a node, if its value is "fake". [FateLabel] changes how it plays it.
const KwokAnnotation = "kwok.x-k8s.io/node"

// FateLabel on a node or pod has kwok give it another fate than to be well, see the Fate constants.
const FateLabel = "fate"

// Fates of nodes and pods, as the stages in stages/ play them.
const (
	FateNotReady  = "not-ready"  // a node that reports so; a pod that runs but whose first container is not ready
	FateCrashLoop = "crash-loop" // the first container is killed for its memory again and again
	FateImagePull = "image-pull" // ImagePullBackOff
	FateInit      = "init"       // its init containers never end
	FateCreating  = "creating"   // bound to a node that never says anything of it
	FateFailed    = "failed"     // ends with an error
	FateEvicted   = "evicted"    // evicted by its node
	FateEndless   = "endless"    // a Job's pod that does not complete
)

// kwokOptions has kwok play more at once than its defaults.
const kwokOptions = `apiVersion: config.kwok.x-k8s.io/v1alpha1
kind: KwokConfiguration
options:
  podPlayStageParallelism: 16
  nodePlayStageParallelism: 8
  nodeLeaseParallelism: 8
`

//go:embed stages
var stages embed.FS

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
