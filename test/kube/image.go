package kube

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// ProgramImage is the image of ./program, available on every real node. A container's arguments select what it does.
const ProgramImage = "rollcall.test/program:1"

// pauseImage is the image of the pause containers, which hold the namespaces of pods.
const pauseImage = "rollcall.test/pause:1"

// Image is a container image with one static executable, built without a container engine.
type Image struct {
	// Name is the name for containers, for example registry.example/name:tag.
	Name string
	// Program is the path of the executable, which becomes the entry point.
	Program string
	// Args are the default arguments.
	Args []string
	// User is the user that runs the executable. Default: root.
	User string
}

// archive returns the image in the format of `docker save`: a tar with one layer, the image's configuration, and a
// manifest that names both.
func (i Image) archive() ([]byte, error) {
	program, err := os.ReadFile(i.Program)
	if err != nil {
		return nil, fmt.Errorf("read the program of image %s: %w", i.Name, err)
	}
	const entrypoint = "/program"
	layer, err := tarOf(tarFile{strings.TrimPrefix(entrypoint, "/"), 0o755, program})
	if err != nil {
		return nil, err
	}
	configuration, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH,
		"os":           "linux",
		"created":      time.Unix(0, 0).UTC(),
		"config":       map[string]any{"Entrypoint": []string{entrypoint}, "Cmd": i.Args, "User": i.User},
		"rootfs":       map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + digest(layer)}},
	})
	if err != nil {
		return nil, fmt.Errorf("encode the configuration of image %s: %w", i.Name, err)
	}
	configurationFile, layerFile := digest(configuration)+".json", digest(layer)+".tar"
	manifest, err := json.Marshal([]map[string]any{
		{"Config": configurationFile, "RepoTags": []string{i.Name}, "Layers": []string{layerFile}},
	})
	if err != nil {
		return nil, fmt.Errorf("encode the manifest of image %s: %w", i.Name, err)
	}
	return tarOf(
		tarFile{configurationFile, 0o644, configuration},
		tarFile{layerFile, 0o644, layer},
		tarFile{"manifest.json", 0o644, manifest},
	)
}

// tarFile is a file of an archive.
type tarFile struct {
	name    string
	mode    int64
	content []byte
}

// tarOf returns a tar archive of files.
func tarOf(files ...tarFile) ([]byte, error) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, f := range files {
		header := &tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.content)), Typeflag: tar.TypeReg}
		if err := w.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("write %s into an archive: %w", f.name, err)
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, fmt.Errorf("write %s into an archive: %w", f.name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("finish an archive: %w", err)
	}
	return archive.Bytes(), nil
}

// digest returns the SHA-256 of content in hexadecimal.
func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// buildProgram builds ./program and returns its path. With a warm build cache that takes a second.
func (c *Cluster) buildProgram() (string, error) {
	source, err := findUpwards("test/kube/program")
	if err != nil {
		return "", err
	}
	output := c.dir.file("program")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", output, ".")
	cmd.Dir = filepath.Clean(source)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if printed, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", source, err, printed)
	}
	return output, nil
}
