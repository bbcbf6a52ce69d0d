package kube

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

const kubectlTimeout = 2 * time.Minute

// Kubectl runs kubectl as the administrator and returns its standard output.
func (c *Cluster) Kubectl(args ...string) (string, error) {
	return c.KubectlInput("", args...)
}

// KubectlInput is like [Cluster.Kubectl], with input on standard input, for example for `apply -f -`.
func (c *Cluster) KubectlInput(input string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), kubectlTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.executable("kubectl"), append([]string{"--kubeconfig", c.Kubeconfig}, args...)...)
	cmd.Env = []string{"HOME=" + c.dir.path}
	cmd.Stdin = strings.NewReader(input)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}
