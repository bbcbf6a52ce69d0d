package stack

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// Images are the container images of master and agent, as hack/images.sh builds them for a release, for the platform of
// this machine. Their registry is the one that manifests without a registry mean.
type Images struct {
	dir, version string
}

// BuildImages builds the images into a folder. With a warm build cache that takes some ten seconds.
func BuildImages(ctx context.Context, dir string) (*Images, error) {
	root, err := repository(ctx)
	if err != nil {
		return nil, err
	}
	version, err := os.ReadFile(filepath.Join(root, "VERSION"))
	if err != nil {
		return nil, fmt.Errorf("read the version: %w", err)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(root, "hack", "images.sh"),
		"--output", dir, "--platforms", "linux/"+runtime.GOARCH, "--registry", "docker.io/library")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the images: %w\n%s", err, out)
	}
	return &Images{dir: dir, version: strings.TrimSpace(string(version))}, nil
}

// Ref returns the full name of the image of rollcall-master or rollcall-agent.
func (i *Images) Ref(program string) string { return "docker.io/library/" + program + ":" + i.version }

// Archive returns the path of the archive of an image.
func (i *Images) Archive(program string) string { return filepath.Join(i.dir, program+".oci.tar") }

// Executable returns the path of the executable in an image.
func (i *Images) Executable(program string) string {
	return filepath.Join(i.dir, "linux_"+runtime.GOARCH, program)
}
