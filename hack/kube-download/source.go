package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"
)

// Limits of what is downloaded.
const (
	maxIndex   = 4 << 20
	maxArchive = 512 << 20
	maxBinary  = 512 << 20
)

// envtestBinaries are the binaries in an archive of setup-envtest, and officialBinaries those that are taken from the
// release of Kubernetes, which exist for Linux only.
var (
	envtestBinaries  = []string{"kube-apiserver", "etcd", "kubectl"}
	officialBinaries = []string{"kube-controller-manager", "kube-scheduler"}
)

// source has the places to download from.
type source struct {
	*fetcher
	version, system, arch string
	index, release        string
	// pins has the SHA-512 by VERSION/OS/ARCH/NAME.
	pins map[string]string
}

// parsePins parses lines with a checksum and a name.
func parsePins(content string) map[string]string {
	pins := map[string]string{}
	for line := range strings.Lines(content) {
		if sum, name, ok := strings.Cut(strings.TrimSpace(line), "  "); ok {
			pins[name] = sum
		}
	}
	return pins
}

// download downloads what it can get to a folder, and returns the names of the binaries. The error tells what it could
// not get.
func (s *source) download(ctx context.Context, folder string) (names []string, err error) {
	if s.index != "" {
		if err = s.envtest(ctx, folder); err == nil {
			names = append(names, envtestBinaries...)
		}
	}
	if s.release == "" || s.system != "linux" || unreachable(err) {
		return names, err
	}
	for _, name := range officialBinaries {
		if failed := s.official(ctx, name, folder); failed != nil {
			return names, errors.Join(err, failed)
		}
		names = append(names, name)
	}
	return names, err
}

// unreachable reports whether an error is of a machine that reaches no server, so that another one need not be tried.
func unreachable(err error) bool {
	var failed *url.Error
	return errors.As(err, &failed)
}

// envtest downloads the archive of setup-envtest, and takes its binaries.
func (s *source) envtest(ctx context.Context, folder string) error {
	content, err := s.small(ctx, s.index, maxIndex)
	if err != nil {
		return err
	}
	link, sum, err := findArchive(content, s.index, s.version, s.system, s.arch)
	if err != nil {
		return err
	}
	archive := filepath.Join(folder, "envtest.tar.gz")
	if err := s.large(ctx, link, archive, sum, maxArchive); err != nil {
		return err
	}
	defer os.Remove(archive)
	if err := extract(archive, folder, envtestBinaries); err != nil {
		for _, name := range envtestBinaries {
			_ = os.Remove(filepath.Join(folder, name))
		}
		return fmt.Errorf("extract %s: %w", link, err)
	}
	return nil
}

// findArchive returns the URL and the SHA-512 of the archive in an index: of the version or, as not every patch release
// has an archive, of the highest one of the same minor version. A URL in the index may be relative to the index.
func findArchive(index []byte, indexURL, version, system, arch string) (link, sum string, err error) {
	var content struct {
		Releases map[string]map[string]struct {
			Hash     string `json:"hash"`
			SelfLink string `json:"selfLink"`
		} `json:"releases"`
	}
	if err := yaml.Unmarshal(index, &content); err != nil {
		return "", "", fmt.Errorf("read the index %s: %w", indexURL, err)
	}
	minor, _, ok := cutLast(version, ".")
	if !ok {
		return "", "", fmt.Errorf("the version %q is not like v1.37.2", version)
	}
	best := -1
	for name, archives := range content.Releases {
		prefix, suffix, _ := cutLast(name, ".")
		patch, err := strconv.Atoi(suffix)
		a, ok := archives[fmt.Sprintf("envtest-%s-%s-%s.tar.gz", name, system, arch)]
		if err != nil || prefix != minor || !ok || patch <= best && name != version {
			continue
		}
		link, sum, best = a.SelfLink, a.Hash, patch
		if name == version {
			break
		}
	}
	if best < 0 {
		return "", "", fmt.Errorf("the index %s has no archive of %s for %s/%s", indexURL, minor, system, arch)
	}
	base, err := url.Parse(indexURL)
	if err != nil {
		return "", "", fmt.Errorf("parse the URL of the index: %w", err)
	}
	resolved, err := base.Parse(link)
	if err != nil || resolved.Scheme != base.Scheme {
		return "", "", fmt.Errorf("the index %s has the URL %q, want one with the scheme %s", indexURL, link, base.Scheme)
	}
	return resolved.String(), sum, nil
}

// cutLast slices s around the last separator.
func cutLast(s, separator string) (before, after string, found bool) {
	i := strings.LastIndex(s, separator)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(separator):], true
}

// extract writes the named files of an archive to a folder, and nothing else. All of them have to exist.
func extract(archive, folder string, names []string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	uncompressed, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	missing := map[string]bool{}
	for _, name := range names {
		missing[name] = true
	}
	for files := tar.NewReader(uncompressed); len(missing) > 0; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%d of %d binaries are missing", len(missing), len(names))
		}
		if err != nil {
			return err
		}
		name := path.Base(header.Name)
		if header.Typeflag != tar.TypeReg || !missing[name] {
			continue
		}
		if header.Size > maxBinary {
			return fmt.Errorf("%s has %d bytes, want at most %d", name, header.Size, int64(maxBinary))
		}
		if err := writeExecutable(filepath.Join(folder, name), files); err != nil {
			return err
		}
		delete(missing, name)
	}
	return nil
}

// writeExecutable writes an executable file.
func writeExecutable(path string, content io.Reader) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = io.Copy(f, io.LimitReader(content, maxBinary))
	return err
}

// official downloads a binary of the release of Kubernetes.
func (s *source) official(ctx context.Context, name, folder string) error {
	link := fmt.Sprintf("%s/%s/bin/%s/%s/%s", s.release, s.version, s.system, s.arch, name)
	sum := s.pins[fmt.Sprintf("%s/%s/%s/%s", s.version, s.system, s.arch, name)]
	if sum == "" {
		content, err := s.small(ctx, link+".sha512", 1<<10)
		if err != nil {
			return err
		}
		sum = strings.TrimSpace(string(content))
	}
	file := filepath.Join(folder, name)
	if err := s.large(ctx, link, file, sum, maxBinary); err != nil {
		return err
	}
	if err := os.Chmod(file, 0o755); err != nil {
		return fmt.Errorf("make %s executable: %w", name, err)
	}
	return nil
}
