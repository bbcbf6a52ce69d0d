package kube

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// binariesScript builds the binaries. Its path is relative to the root of the repository.
const binariesScript = "hack/kube-binaries.sh"

// Binaries returns the folder with the executables of a cluster: $ROLLCALL_KUBE_BINARIES if it is set, otherwise the
// output of hack/kube-binaries.sh. The first run of that script builds them and prints its progress to stderr.
func Binaries() (string, error) {
	return binaries("ROLLCALL_KUBE_BINARIES")
}

// NodeBinaries is like [Binaries] for kubelet and kube-proxy, with
// $ROLLCALL_KUBE_NODE_BINARIES.
func NodeBinaries() (string, error) {
	return binaries("ROLLCALL_KUBE_NODE_BINARIES", "node")
}

// binaries returns the value of an environment variable or, if it is not set, the output of the script.
func binaries(variable string, args ...string) (string, error) {
	if dir := os.Getenv(variable); dir != "" {
		return dir, nil
	}
	script, err := findUpwards(binariesScript)
	if err != nil {
		return "", fmt.Errorf("%w, or set %s", err, variable)
	}
	cmd := exec.Command(script, args...)
	cmd.Stderr = os.Stderr
	output, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("build the Kubernetes binaries with %s: %w", script, err)
	}
	return string(bytes.TrimSpace(output)), nil
}

// findUpwards returns the path of a file of the repository. The working directory must be in the repository.
func findUpwards(file string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find %s: %w", file, err)
	}
	for {
		path := filepath.Join(dir, file)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		} else if !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("find %s: %w", file, err)
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("find %s: not found in the working directory or above; run it in the repository", file)
		}
		dir = parent
	}
}
