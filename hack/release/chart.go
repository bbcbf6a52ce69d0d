package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"sigs.k8s.io/yaml"
)

// Media types of Helm's OCI artifacts; see helm.sh/docs/topics/registries.
const (
	chartConfigType  = types.MediaType("application/vnd.cncf.helm.config.v1+json")
	chartContentType = types.MediaType("application/vnd.cncf.helm.chart.content.v1.tar+gzip")
)

// chart is a packaged chart.
type chart struct {
	name, version string
	// ref is the name of the OCI artifact.
	ref      string
	archive  []byte
	artifact v1.Image
}

func (c chart) file() string         { return c.name + "-" + c.version + ".tgz" }
func (c chart) artifactFile() string { return c.name + "-" + c.version + ".chart.oci.tar" }

// packageCharts packages the charts in config/charts. Their version has to be the source's.
func packageCharts(s *Source, publisher *Publisher) ([]chart, error) {
	folders, err := filepath.Glob(filepath.Join(s.Root, "config", "charts", "*", "Chart.yaml"))
	if err != nil {
		return nil, fmt.Errorf("find the charts: %w", err)
	}
	var charts []chart
	for _, folder := range folders {
		c, err := packageChart(s, publisher, filepath.Dir(folder))
		if err != nil {
			return nil, fmt.Errorf("package the chart in %s: %w", filepath.Dir(folder), err)
		}
		charts = append(charts, *c)
	}
	return charts, nil
}

// packageChart packages the chart in a folder, with the publisher's registry as the value image.registry. The archive
// depends only on the files: Helm's own would have the time at which it was packaged.
func packageChart(s *Source, publisher *Publisher, folder string) (*chart, error) {
	content, err := os.ReadFile(filepath.Join(folder, "Chart.yaml"))
	if err != nil {
		return nil, err
	}
	var metadata struct{ Name, Version, AppVersion string }
	if err := yaml.Unmarshal(content, &metadata); err != nil {
		return nil, err
	}
	if want := strings.TrimPrefix(s.Version, "v"); metadata.Version != want || metadata.AppVersion != s.Version {
		return nil, fmt.Errorf("the chart has version %s and appVersion %s, want %s and %s as in VERSION", metadata.Version, metadata.AppVersion, want, s.Version)
	}
	c := &chart{name: metadata.Name, version: metadata.Version, ref: publisher.ChartRegistry + "/" + metadata.Name + ":" + metadata.Version}
	files, err := chartFiles(folder, metadata.Name, publisher)
	if err != nil {
		return nil, err
	}
	if c.archive, err = tarGzip(files...); err != nil {
		return nil, err
	}
	config, err := yaml.YAMLToJSON(content)
	if err != nil {
		return nil, err
	}
	c.artifact, err = newChartArtifact(config, c.archive)
	return c, err
}

// chartFiles returns the files of a chart, with Chart.yaml first as Helm does.
func chartFiles(folder, name string, publisher *Publisher) (files []file, err error) {
	var others []file
	err = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if relative == "ci" { // values for tests
				return filepath.SkipDir
			}
			return nil
		}
		if !entry.Type().IsRegular() {
			return fmt.Errorf("%s is not a regular file", path)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f := file{name: name + "/" + filepath.ToSlash(relative), content: content}
		switch relative {
		case "Chart.yaml":
			files = append(files, f)
			return nil
		case "values.yaml":
			if f.content, err = setRegistry(content, publisher.ImageRegistry); err != nil {
				return err
			}
		}
		others = append(others, f)
		return nil
	})
	return append(files, others...), err
}

// setRegistry sets the value image.registry in the text of values.yaml, and keeps everything else.
func setRegistry(values []byte, registry string) ([]byte, error) {
	const unset = "\n  registry: \"\"\n"
	if bytes.Count(values, []byte(unset)) != 1 {
		return nil, errors.New(`values.yaml has to contain the line "  registry: """ once, in image`)
	}
	return bytes.Replace(values, []byte(unset), fmt.Appendf(nil, "\n  registry: %q\n", registry), 1), nil
}

// chartArtifact is the OCI artifact of a chart.
type chartArtifact struct {
	config, manifest []byte
	layer            v1.Layer
}

// newChartArtifact returns the artifact with the metadata of the chart as its configuration.
func newChartArtifact(config, archive []byte) (v1.Image, error) {
	a := &chartArtifact{config: config, layer: static.NewLayer(archive, chartContentType)}
	layer, err := partial.Descriptor(a.layer)
	if err != nil {
		return nil, err
	}
	hash, size, err := v1.SHA256(bytes.NewReader(config))
	if err != nil {
		return nil, err
	}
	a.manifest, err = json.Marshal(v1.Manifest{
		SchemaVersion: 2,
		MediaType:     types.OCIManifestSchema1,
		Config:        v1.Descriptor{MediaType: chartConfigType, Size: size, Digest: hash},
		Layers:        []v1.Descriptor{*layer},
	})
	if err != nil {
		return nil, err
	}
	return partial.CompressedToImage(a)
}

// MediaType implements partial.CompressedImageCore.
func (a *chartArtifact) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

// RawConfigFile implements partial.CompressedImageCore.
func (a *chartArtifact) RawConfigFile() ([]byte, error) { return a.config, nil }

// RawManifest implements partial.CompressedImageCore.
func (a *chartArtifact) RawManifest() ([]byte, error) { return a.manifest, nil }

// LayerByDigest implements partial.CompressedImageCore.
func (a *chartArtifact) LayerByDigest(v1.Hash) (partial.CompressedLayer, error) { return a.layer, nil }

// writeChartArchive writes the artifact of a chart as a tar of an OCI layout.
func writeChartArchive(c chart, path string) error {
	folder, err := os.MkdirTemp(filepath.Dir(path), ".oci-")
	if err != nil {
		return fmt.Errorf("create a folder for an OCI layout: %w", err)
	}
	defer os.RemoveAll(folder)
	l, err := layout.Write(folder, mutate.IndexMediaType(empty.Index, types.OCIImageIndex))
	if err != nil {
		return fmt.Errorf("write an OCI layout: %w", err)
	}
	if err := l.AppendImage(c.artifact, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": c.ref})); err != nil {
		return fmt.Errorf("write %s to an OCI layout: %w", c.ref, err)
	}
	return writeFile(path, func(w io.Writer) error { return writeTar(w, folder) })
}
