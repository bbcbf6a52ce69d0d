package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// pluginName is the name of the plugin's executable.
const pluginName = "kubectl-rollcall"

// Names of files of a release that other files name.
const (
	sumsFile       = "SHA256SUMS"
	digestsFile    = "digests.txt"
	provenanceFile = "provenance.intoto.json"
)

// pluginPlatforms has the platforms of the plugin. Master and agent exist for those of Linux.
var pluginPlatforms = []Platform{
	{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"}, {"windows", "arm64"},
}

// suffix returns the suffix of executables.
func (p Platform) suffix() string {
	if p.OS == "windows" {
		return ".exe"
	}
	return ""
}

// release is a release that is being made.
type release struct {
	*Source
	publisher *Publisher
	platforms []Platform
	draft     bool
	// work is the folder of executables, and out the one of the release.
	work, out string

	licenseFiles []file // of each archive
	executables  []executable
	images       []Image
	charts       []chart
	// archives has the archive of the plugin for each platform.
	archives map[Platform]string
	// sums has the SHA-256 of each file that is written.
	sums map[string]string
}

// check returns an error if something that cannot be published would be released.
func (r *release) check(version string) error {
	if version != r.Version {
		return fmt.Errorf("the file VERSION has %s, want %s: change it, config/components/version and CHANGELOG.md, and commit them", r.Version, version)
	}
	if r.draft {
		return nil
	}
	if strings.HasSuffix(r.Commit, "-dirty") {
		return errors.New("files differ from the commit: commit them, or make a draft by --draft")
	}
	if strings.Contains(fmt.Sprint(*r.publisher), ".example") {
		return errors.New("publisher.yaml has values in the domain .example: set yours, or make a draft by --draft")
	}
	return nil
}

// make makes all files of the release.
func (r *release) make(ctx context.Context, builder string) error {
	start := time.Now()
	r.archives, r.sums = map[Platform]string{}, map[string]string{}
	for _, name := range []string{"LICENSE", "NOTICE"} {
		content, err := os.ReadFile(filepath.Join(r.Root, name))
		if err != nil {
			return fmt.Errorf("read the licence: %w", err)
		}
		r.licenseFiles = append(r.licenseFiles, file{name: name, content: content})
	}
	for _, step := range []func(context.Context) error{
		r.writeImages, r.writePrograms, r.writePlugin, r.writeCharts, r.writeManifests, r.writeKrew, r.writeBOM, r.writeChanges, r.writeAirGap, r.writeSums,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	content, err := provenance(ctx, r.Source, r.publisher, builder, r.sums, start)
	if err != nil {
		return err
	}
	return r.write(provenanceFile, content)
}

// write writes a file of the release.
func (r *release) write(name string, content []byte) error {
	return r.writeBy(name, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// writeBy writes a file of the release by a function, and records its checksum.
func (r *release) writeBy(name string, write func(io.Writer) error) error {
	path := filepath.Join(r.out, name)
	if err := writeFile(path, write); err != nil {
		return err
	}
	return r.record(name)
}

// record records the checksum of a file of the release.
func (r *release) record(name string) (err error) {
	r.sums[name], err = sha256Of(filepath.Join(r.out, name))
	return err
}

// linux returns the platforms of master and agent.
func (r *release) linux() []Platform {
	return slices.DeleteFunc(slices.Clone(r.platforms), func(p Platform) bool { return p.OS != "linux" })
}

// writeImages writes the images as OCI archives.
func (r *release) writeImages(ctx context.Context) (err error) {
	r.images, err = buildImages(ctx, r.Source, r.publisher, r.publisher.ImageRegistry, r.linux(), r.work)
	if err != nil {
		return err
	}
	for _, i := range r.images {
		if err := writeOCIArchive(i, filepath.Join(r.out, r.imageFile(i.program))); err != nil {
			return err
		}
		if err := r.record(r.imageFile(i.program)); err != nil {
			return err
		}
	}
	return nil
}

// imageFile returns the name of an image's archive.
func (r *release) imageFile(p program) string { return p.name + "_" + r.Version + "_image.oci.tar" }

// writePrograms writes an archive with the executables of the images for each platform.
func (r *release) writePrograms(context.Context) error {
	for _, p := range r.linux() {
		var files []file
		for _, program := range programs {
			f, err := r.executable(program.name, p)
			if err != nil {
				return err
			}
			files = append(files, f)
		}
		content, err := tarGzip(append(files, r.licenseFiles...)...)
		if err != nil {
			return err
		}
		if err := r.write(fmt.Sprintf("rollcall_%s_%s_%s.tar.gz", r.Version, p.OS, p.Arch), content); err != nil {
			return err
		}
	}
	return nil
}

// executable reads a built executable.
func (r *release) executable(name string, p Platform) (file, error) {
	path := filepath.Join(r.work, p.OS+"_"+p.Arch, name+p.suffix())
	content, err := os.ReadFile(path)
	if err != nil {
		return file{}, fmt.Errorf("read an executable: %w", err)
	}
	r.executables = append(r.executables, executable{name, p, path})
	return file{name + p.suffix(), content, true}, nil
}

// writePlugin writes an archive with the plugin for each platform.
func (r *release) writePlugin(ctx context.Context) error {
	for _, p := range r.platforms {
		if err := r.build(ctx, p, filepath.Join(r.work, p.OS+"_"+p.Arch), pluginName); err != nil {
			return err
		}
		f, err := r.executable(pluginName, p)
		if err != nil {
			return err
		}
		archive, extension := tarGzip, "tar.gz"
		if p.OS == "windows" {
			archive, extension = zipped, "zip"
		}
		content, err := archive(append([]file{f}, r.licenseFiles...)...)
		if err != nil {
			return err
		}
		r.archives[p] = fmt.Sprintf("%s_%s_%s_%s.%s", pluginName, r.Version, p.OS, p.Arch, extension)
		if err := r.write(r.archives[p], content); err != nil {
			return err
		}
	}
	return nil
}

// writeCharts writes the charts as archives, and as OCI artifacts.
func (r *release) writeCharts(context.Context) (err error) {
	r.charts, err = packageCharts(r.Source, r.publisher)
	if err != nil {
		return err
	}
	for _, c := range r.charts {
		if err := r.write(c.file(), c.archive); err != nil {
			return err
		}
		if err := writeChartArchive(c, filepath.Join(r.out, c.artifactFile())); err != nil {
			return err
		}
		if err := r.record(c.artifactFile()); err != nil {
			return err
		}
	}
	return nil
}

// installManifests has the tree of config/ that each manifest installs.
var installManifests = map[string]string{"install-hub.yaml": "master", "install-agent.yaml": "agent"}

// writeManifests writes the manifests that `kubectl apply -f` installs.
func (r *release) writeManifests(context.Context) error {
	for name, tree := range installManifests {
		content, err := installManifest(r.Source, tree, r.publisher.ImageRegistry)
		if err != nil {
			return err
		}
		if err := r.write(name, content); err != nil {
			return err
		}
	}
	return nil
}

// writeKrew writes the manifest for krew.
func (r *release) writeKrew(context.Context) error {
	content, err := krewManifest(r.Source, r.publisher, r.archives, r.platforms, r.sums)
	if err != nil {
		return err
	}
	return r.write(krewName+".yaml", content)
}

// writeBOM writes the SBOM. It fails if the licence of a dependency is not allowed and, except in a draft, if the file
// NOTICE is out of date.
func (r *release) writeBOM(ctx context.Context) error {
	modules, err := r.dependencies(ctx)
	if err != nil {
		return err
	}
	if !r.draft && !bytes.Equal(r.licenseFiles[1].content, notice(modules)) {
		return errors.New("the file NOTICE is out of date: run hack/release.sh --notice, and commit it")
	}
	content, err := bom(r.Source, r.publisher, r.executables, modules)
	if err != nil {
		return err
	}
	return r.write("rollcall_"+r.Version+"_sbom.cdx.json", content)
}

// writeChanges writes the section of CHANGELOG.md.
func (r *release) writeChanges(context.Context) error {
	content, err := r.changes(r.draft)
	if err != nil {
		return err
	}
	return r.write("CHANGES.md", []byte(content))
}

// writeAirGap writes the digests of images and charts, and one archive with all that an installation without internet
// needs.
func (r *release) writeAirGap(context.Context) error {
	var digests strings.Builder
	var files []string
	for _, i := range r.images {
		digest, err := i.Index.Digest()
		if err != nil {
			return fmt.Errorf("compute the digest of %s: %w", i.Ref, err)
		}
		fmt.Fprintf(&digests, "%s  %s\n", digest, i.Ref)
		files = append(files, r.imageFile(i.program))
	}
	for _, c := range r.charts {
		digest, err := c.artifact.Digest()
		if err != nil {
			return fmt.Errorf("compute the digest of %s: %w", c.ref, err)
		}
		fmt.Fprintf(&digests, "%s  %s\n", digest, c.ref)
		files = append(files, c.file(), c.artifactFile())
	}
	if err := r.write(digestsFile, []byte(digests.String())); err != nil {
		return err
	}
	files = append(files, slices.Sorted(maps.Keys(installManifests))...)
	for _, p := range r.platforms {
		files = append(files, r.archives[p])
	}
	files = append(files, digestsFile)
	name := "rollcall_" + r.Version + "_airgap"
	return r.writeBy(name+".tar", func(w io.Writer) error {
		archive := tar.NewWriter(w)
		for _, f := range files {
			header := &tar.Header{Name: name + "/" + f, Mode: 0o644, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
			if err := addFile(archive, header, filepath.Join(r.out, f)); err != nil {
				return err
			}
		}
		sums := []byte(r.sumsOf(files))
		header := &tar.Header{Typeflag: tar.TypeReg, Name: name + "/" + sumsFile, Mode: 0o644, Size: int64(len(sums)), ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := archive.Write(sums); err != nil {
			return err
		}
		return archive.Close()
	})
}

// writeSums writes the checksums of all files.
func (r *release) writeSums(context.Context) error {
	return r.write(sumsFile, []byte(r.sumsOf(slices.Collect(maps.Keys(r.sums)))))
}

// sumsOf returns the checksums of files as `sha256sum --check` reads them.
func (r *release) sumsOf(files []string) string {
	var out strings.Builder
	for _, name := range slices.Sorted(slices.Values(files)) {
		fmt.Fprintf(&out, "%s  %s\n", r.sums[name], name)
	}
	return out.String()
}
