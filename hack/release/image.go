package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// user is the user and group of the processes, as numbers: kubelets can prove runAsNonRoot only for those.
const user = "65532:65532"

// program is a program that has an image.
type program struct {
	// name is the name of its folder in cmd/, of its executable and of its image.
	name  string
	port  string
	title string
	about string
}

// programs has the programs with images.
var programs = []program{
	{"rollcall-master", "8443/tcp", "Rollcall master", "Serves the live state of many Kubernetes clusters over one HTTP API."},
	{"rollcall-agent", "7443/tcp", "Rollcall agent", "Reports the live state of a Kubernetes cluster to a Rollcall master."},
}

// Image is an image for several platforms.
type Image struct {
	program
	// Ref is the name with registry and tag.
	Ref   string
	Index v1.ImageIndex
	// Platforms has the image of each platform, in the order of the flag.
	Platforms []PlatformImage
}

// PlatformImage is an image for one platform.
type PlatformImage struct {
	Platform
	v1.Image
}

// files returns the files of an image: the CA certificates, the licences and the executable. Files that change rarely
// come first. Names have no leading slash.
func (p program) files(s *Source, content []byte) ([]file, error) {
	certificates, err := roots()
	if err != nil {
		return nil, err
	}
	files := []file{{name: rootsFile, content: certificates}}
	for _, name := range []string{"LICENSE", "NOTICE"} {
		content, err := os.ReadFile(filepath.Join(s.Root, name))
		if err != nil {
			return nil, fmt.Errorf("read the licence: %w", err)
		}
		files = append(files, file{name: "licenses/" + name, content: content})
	}
	return append(files, file{name: p.name, content: content, executable: true}), nil
}

// buildImages builds the images of all programs. Executables are left in folder/OS_ARCH.
func buildImages(ctx context.Context, s *Source, publisher *Publisher, registry string, platforms []Platform, folder string) ([]Image, error) {
	var names []string
	images := make([]Image, len(programs))
	for i, p := range programs {
		names = append(names, p.name)
		images[i] = Image{program: p, Ref: registry + "/" + p.name + ":" + s.Version}
	}
	for _, platform := range platforms {
		bin := filepath.Join(folder, platform.OS+"_"+platform.Arch)
		if err := s.build(ctx, platform, bin, names...); err != nil {
			return nil, err
		}
		for i, p := range programs {
			executable, err := os.ReadFile(filepath.Join(bin, p.name))
			if err != nil {
				return nil, fmt.Errorf("read an executable: %w", err)
			}
			image, err := p.image(s, publisher, platform, executable)
			if err != nil {
				return nil, fmt.Errorf("make the image of %s for %s: %w", p.name, platform, err)
			}
			images[i].Platforms = append(images[i].Platforms, PlatformImage{platform, image})
		}
	}
	for i := range images {
		images[i].Index = images[i].index(s, publisher)
	}
	return images, nil
}

// labels returns the labels of an image, which are also annotations of its index.
func (p program) labels(s *Source, publisher *Publisher) map[string]string {
	return map[string]string{
		"org.opencontainers.image.title":         p.title,
		"org.opencontainers.image.description":   p.about,
		"org.opencontainers.image.version":       s.Version,
		"org.opencontainers.image.revision":      s.Commit,
		"org.opencontainers.image.created":       s.Time.Format(time.RFC3339),
		"org.opencontainers.image.source":        publisher.SourceURL,
		"org.opencontainers.image.url":           publisher.Homepage,
		"org.opencontainers.image.documentation": publisher.Homepage,
		"org.opencontainers.image.licenses":      "Apache-2.0",
		"org.opencontainers.image.vendor":        "The Rollcall authors",
	}
}

// image returns the image for one platform. Each file has a layer of its own, so that nodes and registries keep those
// that two images or versions share.
func (p program) image(s *Source, publisher *Publisher, platform Platform, executable []byte) (v1.Image, error) {
	files, err := p.files(s, executable)
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.ConfigFile(image, &v1.ConfigFile{
		OS:           platform.OS,
		Architecture: platform.Arch,
		Created:      v1.Time{Time: s.Time},
		Config: v1.Config{
			User:         user,
			WorkingDir:   "/",
			Entrypoint:   []string{"/" + p.name},
			ExposedPorts: map[string]struct{}{p.port: {}},
			Labels:       p.labels(s, publisher),
		},
		RootFS: v1.RootFS{Type: "layers"},
	})
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		compressed, err := layer(f)
		if err != nil {
			return nil, err
		}
		l, err := tarball.LayerFromOpener(
			func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(compressed)), nil },
			tarball.WithMediaType(types.OCILayer))
		if err != nil {
			return nil, err
		}
		image, err = mutate.Append(image, mutate.Addendum{
			Layer:   l,
			History: v1.History{Created: v1.Time{Time: s.Time}, CreatedBy: "add /" + f.name},
		})
		if err != nil {
			return nil, err
		}
	}
	return image, nil
}

// layer returns a compressed tar with one file and its folders. All belong to root and have the time zero, so
// that a layer changes only with its content.
func layer(f file) ([]byte, error) {
	var out bytes.Buffer
	compressor, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	archive := tar.NewWriter(compressor)
	var folders []string
	for folder := path.Dir(f.name); folder != "."; folder = path.Dir(folder) {
		folders = append(folders, folder)
	}
	for _, folder := range slices.Backward(folders) {
		header := &tar.Header{Typeflag: tar.TypeDir, Name: folder + "/", Mode: 0o755, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
		if err := archive.WriteHeader(header); err != nil {
			return nil, err
		}
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: int64(f.mode()), Size: int64(len(f.content)), ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
	if err := archive.WriteHeader(header); err != nil {
		return nil, err
	}
	if _, err := archive.Write(f.content); err != nil {
		return nil, err
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	if err := compressor.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// index returns the index of the platforms.
func (i Image) index(s *Source, publisher *Publisher) v1.ImageIndex {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range i.Platforms {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        p.Image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: p.OS, Architecture: p.Arch}},
		})
	}
	return mutate.Annotations(index, i.labels(s, publisher)).(v1.ImageIndex)
}

// writeFiles writes the files of the images for one platform to folder/PROGRAM, for the Dockerfile.
func writeFiles(ctx context.Context, s *Source, platform Platform, folder string) error {
	bin, err := os.MkdirTemp("", "rollcall-build-")
	if err != nil {
		return fmt.Errorf("create a folder for executables: %w", err)
	}
	defer os.RemoveAll(bin)
	for _, p := range programs {
		if err := s.build(ctx, platform, bin, p.name); err != nil {
			return err
		}
		executable, err := os.ReadFile(filepath.Join(bin, p.name))
		if err != nil {
			return fmt.Errorf("read an executable: %w", err)
		}
		files, err := p.files(s, executable)
		if err != nil {
			return err
		}
		for _, f := range files {
			path := filepath.Join(folder, p.name, filepath.FromSlash(f.name))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return fmt.Errorf("write the files of an image: %w", err)
			}
			if err := os.WriteFile(path, f.content, f.mode()); err != nil {
				return fmt.Errorf("write the files of an image: %w", err)
			}
		}
	}
	return nil
}
