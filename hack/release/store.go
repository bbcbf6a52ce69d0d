package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// writeImages writes the images to a folder:
//
//	oci/                           OCI layout with all images, for skopeo, crane and oras
//	PROGRAM.oci.tar                OCI archive for all platforms, for containerd (ctr images import), k3s and podman
//	PROGRAM_linux_ARCH.docker.tar  archive for one platform, for docker load and kind load image-archive
//	digests.txt                    one line for each image: digest and name
//
// buildImages has left the executables in linux_ARCH/PROGRAM.
func writeImages(images []Image, folder string) error {
	if err := os.RemoveAll(filepath.Join(folder, "oci")); err != nil {
		return fmt.Errorf("remove the last images: %w", err)
	}
	if err := writeLayout(images, filepath.Join(folder, "oci")); err != nil {
		return err
	}
	var digests strings.Builder
	for _, i := range images {
		digest, err := i.Index.Digest()
		if err != nil {
			return fmt.Errorf("compute the digest of %s: %w", i.Ref, err)
		}
		fmt.Fprintf(&digests, "%s  %s\n", digest, i.Ref)
		if err := writeOCIArchive(i, filepath.Join(folder, i.name+".oci.tar")); err != nil {
			return err
		}
		for _, p := range i.Platforms {
			file := filepath.Join(folder, fmt.Sprintf("%s_%s_%s.docker.tar", i.name, p.OS, p.Arch))
			if err := writeDockerArchive(i.Ref, p.Image, file); err != nil {
				return err
			}
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "digests.txt"), []byte(digests.String()), 0o644); err != nil {
		return fmt.Errorf("write the digests: %w", err)
	}
	return nil
}

// writeLayout writes images as an OCI layout. Their names are annotations that containerd, skopeo and crane read.
func writeLayout(images []Image, folder string) error {
	l, err := layout.Write(folder, mutate.IndexMediaType(empty.Index, types.OCIImageIndex))
	if err != nil {
		return fmt.Errorf("write an OCI layout: %w", err)
	}
	for _, i := range images {
		err := l.AppendIndex(i.Index, layout.WithAnnotations(map[string]string{
			"io.containerd.image.name":          i.Ref,
			"org.opencontainers.image.ref.name": i.Ref,
		}))
		if err != nil {
			return fmt.Errorf("write %s to an OCI layout: %w", i.Ref, err)
		}
	}
	return nil
}

// writeOCIArchive writes an image as a tar of an OCI layout.
func writeOCIArchive(i Image, file string) error {
	folder, err := os.MkdirTemp(filepath.Dir(file), ".oci-")
	if err != nil {
		return fmt.Errorf("create a folder for an OCI layout: %w", err)
	}
	defer os.RemoveAll(folder)
	if err := writeLayout([]Image{i}, folder); err != nil {
		return err
	}
	return writeFile(file, func(w io.Writer) error { return writeTar(w, folder) })
}

// writeDockerArchive writes the image of one platform in the format of `docker save`.
func writeDockerArchive(ref string, image v1.Image, file string) error {
	tag, err := name.NewTag(ref)
	if err != nil {
		return fmt.Errorf("parse the name of an image: %w", err)
	}
	return writeFile(file, func(w io.Writer) error {
		return tarball.Write(tag, image, w)
	})
}

// writeTar writes a folder as a tar whose bytes depend only on names and content: sorted, owned by root, without
// times, with the same permissions for all files.
func writeTar(w io.Writer, folder string) error {
	archive := tar.NewWriter(w)
	err := filepath.WalkDir(folder, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || file == folder {
			return err
		}
		relative, err := filepath.Rel(folder, file)
		if err != nil {
			return err
		}
		header := &tar.Header{Name: filepath.ToSlash(relative), ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
		if entry.IsDir() {
			header.Typeflag, header.Name, header.Mode = tar.TypeDir, header.Name+"/", 0o755
			return archive.WriteHeader(header)
		}
		header.Mode = 0o644
		return addFile(archive, header, file)
	})
	if err != nil {
		return fmt.Errorf("archive %s: %w", folder, err)
	}
	return archive.Close()
}

// addFile adds a file to an archive; it sets type and size of the header.
func addFile(archive *tar.Writer, header *tar.Header, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	header.Typeflag, header.Size = tar.TypeReg, info.Size()
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(archive, f)
	return err
}

// writeFile creates a file with the content that write writes.
func writeFile(file string, write func(io.Writer) error) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("create a file: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := write(f); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}

// push pushes images to their registry, with the credentials of `docker login` or another tool that writes
// ~/.docker/config.json.
func push(ctx context.Context, images []Image) error {
	for _, i := range images {
		if err := pushTo(ctx, i.Ref, i.Index); err != nil {
			return err
		}
	}
	return nil
}

// pushCharts is like push for charts.
func pushCharts(ctx context.Context, charts []chart) error {
	for _, c := range charts {
		if err := pushTo(ctx, c.ref, c.artifact); err != nil {
			return err
		}
	}
	return nil
}

// pushTo pushes an image, an index or an artifact.
func pushTo(ctx context.Context, ref string, content remote.Taggable) error {
	tag, err := name.NewTag(ref)
	if err != nil {
		return fmt.Errorf("parse the name of an image: %w", err)
	}
	if err := remote.Push(tag, content, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
		return fmt.Errorf("push %s: %w; log in to the registry with a tool that writes ~/.docker/config.json", ref, err)
	}
	return nil
}
