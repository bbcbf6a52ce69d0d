package main

import (
	"archive/tar"
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

var (
	testSource    = &Source{Root: "../..", Version: "v1.2.3", Commit: "0123abc", Time: time.Unix(1700000000, 0).UTC()}
	testPublisher = &Publisher{
		ImageRegistry: "registry.example/rollcall", ChartRegistry: "registry.example/rollcall/charts", DownloadURL: "https://downloads.example",
		Homepage: "https://rollcall.example", SourceURL: "https://code.example/rollcall", SecurityContact: "mailto:security@rollcall.example",
	}
	testPlatforms = []Platform{{"linux", "amd64"}, {"linux", "arm64"}}
)

// testImages returns images whose executables are short texts.
func testImages(t *testing.T, registry string) []Image {
	t.Helper()
	var images []Image
	for _, p := range programs {
		i := Image{program: p, Ref: registry + "/" + p.name + ":" + testSource.Version}
		for _, platform := range testPlatforms {
			image, err := p.image(testSource, testPublisher, platform, []byte("executable for "+platform.String()))
			if err != nil {
				t.Fatal(err)
			}
			i.Platforms = append(i.Platforms, PlatformImage{platform, image})
		}
		i.Index = i.index(testSource, testPublisher)
		images = append(images, i)
	}
	return images
}

// checkImage checks everything that an image promises.
func checkImage(t *testing.T, image v1.Image, program string, platform Platform) {
	t.Helper()
	if err := validate.Image(image); err != nil {
		t.Errorf("%s for %s: %v", program, platform, err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.OS != platform.OS || config.Architecture != platform.Arch {
		t.Errorf("%s: got platform %s/%s, want %s", program, config.OS, config.Architecture, platform)
	}
	if config.Config.User != "65532:65532" {
		t.Errorf("%s: got user %q, want a number other than 0, as runAsNonRoot requires", program, config.Config.User)
	}
	if want := []string{"/" + program}; !reflect.DeepEqual(config.Config.Entrypoint, want) {
		t.Errorf("%s: got entry point %q, want %q", program, config.Config.Entrypoint, want)
	}
	for label, want := range map[string]string{
		"org.opencontainers.image.version":  "v1.2.3",
		"org.opencontainers.image.revision": "0123abc",
		"org.opencontainers.image.created":  "2023-11-14T22:13:20Z",
		"org.opencontainers.image.source":   "https://code.example/rollcall",
		"org.opencontainers.image.licenses": "Apache-2.0",
	} {
		if got := config.Config.Labels[label]; got != want {
			t.Errorf("%s: got label %s %q, want %q", program, label, got, want)
		}
	}
	files := map[string]string{}
	archive := tar.NewReader(mutate.Extract(image))
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Uid != 0 || header.Gid != 0 || header.Mode&0o022 != 0 || !header.ModTime.Equal(time.Unix(0, 0)) {
			t.Errorf("%s: got %s with owner %d:%d, mode %o and time %s, want root, not writable, 1970", program, header.Name, header.Uid, header.Gid, header.Mode, header.ModTime)
		}
		if header.Typeflag == tar.TypeReg {
			content, err := io.ReadAll(archive)
			if err != nil {
				t.Fatal(err)
			}
			files[header.Name] = string(content)
		}
	}
	if got, want := files[program], "executable for "+platform.String(); got != want {
		t.Errorf("%s: got the executable %q, want %q", program, got, want)
	}
	delete(files, program)
	for _, name := range []string{rootsFile, "licenses/LICENSE", "licenses/NOTICE"} {
		if files[name] == "" {
			t.Errorf("%s: no file %s", program, name)
		}
		delete(files, name)
	}
	if len(files) > 0 {
		t.Errorf("%s: got %d other files, want none", program, len(files))
	}
}

func TestImagesOfLayoutArchivesAndRegistryAreTheSame(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	images := testImages(t, strings.TrimPrefix(server.URL, "http://")+"/rollcall")
	folder := t.TempDir()
	if err := writeImages(images, folder); err != nil {
		t.Fatal(err)
	}
	if err := push(t.Context(), images); err != nil {
		t.Fatal(err)
	}
	digests, err := os.ReadFile(filepath.Join(folder, "digests.txt"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := layout.ImageIndexFromPath(filepath.Join(folder, "oci"))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := l.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest.Manifests) != len(programs) {
		t.Fatalf("the layout has %d images, want %d", len(manifest.Manifests), len(programs))
	}
	for n, i := range images {
		ref, err := name.ParseReference(i.Ref)
		if err != nil {
			t.Fatal(err)
		}
		pulled, err := remote.Index(ref)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Index(pulled); err != nil {
			t.Error(err)
		}
		digest, err := pulled.Digest()
		if err != nil {
			t.Fatal(err)
		}
		if d := manifest.Manifests[n]; d.Digest != digest || d.Annotations["io.containerd.image.name"] != i.Ref {
			t.Errorf("the layout has %s %v, want %s as the registry", d.Digest, d.Annotations, digest)
		}
		if want := digest.String() + "  " + i.Ref + "\n"; !strings.Contains(string(digests), want) {
			t.Errorf("digests.txt has no line %q:\n%s", want, digests)
		}
		for _, platform := range testPlatforms {
			image, err := remote.Image(ref, remote.WithPlatform(v1.Platform{OS: platform.OS, Architecture: platform.Arch}))
			if err != nil {
				t.Fatal(err)
			}
			checkImage(t, image, i.name, platform)
			checkDockerArchive(t, image, i, filepath.Join(folder, i.name+"_linux_"+platform.Arch+".docker.tar"))
		}
	}
}

// checkDockerArchive checks that the archive has an image with the same configuration, and its name.
func checkDockerArchive(t *testing.T, want v1.Image, i Image, file string) {
	t.Helper()
	ref, err := name.NewTag(i.Ref)
	if err != nil {
		t.Fatal(err)
	}
	got, err := tarball.ImageFromPath(file, &ref)
	if err != nil {
		t.Fatal(err)
	}
	gotName, err := got.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	wantName, err := want.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	if gotName != wantName {
		t.Errorf("%s: got configuration %s, want %s", file, gotName, wantName)
	}
}

func TestImagesAreReproducible(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	for _, folder := range []string{first, second} {
		if err := writeImages(testImages(t, "registry.example/rollcall"), folder); err != nil {
			t.Fatal(err)
		}
	}
	compareFolders(t, first, second)
}

// compareFolders fails the test for each file that differs between two folders.
func compareFolders(t *testing.T, first, second string) {
	t.Helper()
	var files int
	err := filepath.WalkDir(first, func(file string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files++
		relative, err := filepath.Rel(first, file)
		if err != nil {
			return err
		}
		a, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		b, err := os.ReadFile(filepath.Join(second, relative))
		if err != nil {
			return err
		}
		if !bytes.Equal(a, b) {
			t.Errorf("%s differs between two builds", relative)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files == 0 {
		t.Fatalf("%s is empty", first)
	}
}

func TestCertificatesAreMozillas(t *testing.T) {
	content, err := roots()
	if err != nil {
		t.Fatal(err)
	}
	subjects := map[string]bool{}
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		subjects[certificate.Subject.CommonName] = true
	}
	if len(subjects) < 80 || !subjects["ISRG Root X1"] || !subjects["DigiCert Global Root G2"] {
		t.Errorf("got %d CA certificates, want Mozilla's", len(subjects))
	}
}

func TestPlatformsAreParsed(t *testing.T) {
	got, err := parsePlatforms("linux/amd64,linux/arm64,linux/amd64")
	if err != nil || !reflect.DeepEqual(got, testPlatforms) {
		t.Errorf("got %v, %v, want %v", got, err, testPlatforms)
	}
	for _, list := range []string{"", "linux", "linux/", "linux/arm/v7", "linux/amd64,"} {
		if got, err := parsePlatforms(list); err == nil {
			t.Errorf("%q: got %v, want an error", list, got)
		}
	}
}

func TestPublisherIsValidated(t *testing.T) {
	p, err := readPublisher("../../publisher.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for field, change := range map[string]func(*Publisher){
		"imageRegistry":   func(p *Publisher) { p.ImageRegistry = "https://registry.example" },
		"chartRegistry":   func(p *Publisher) { p.ChartRegistry = "registry.example/" },
		"downloadURL":     func(p *Publisher) { p.DownloadURL = "http://downloads.example" },
		"homepage":        func(p *Publisher) { p.Homepage = "" },
		"sourceURL":       func(p *Publisher) { p.SourceURL = "https://code.example/" },
		"securityContact": func(p *Publisher) { p.SecurityContact = "security@example" },
	} {
		faulty := *p
		change(&faulty)
		if err := faulty.validate(); err == nil || !strings.HasPrefix(err.Error(), field+" is ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got error %v, want one about this field", field, err)
		}
	}
	file := filepath.Join(t.TempDir(), "publisher.yaml")
	if err := os.WriteFile(file, []byte("imageRegistri: registry.example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readPublisher(file); err == nil || !strings.Contains(err.Error(), "imageRegistri") {
		t.Errorf("unknown field: got error %v, want one that names it", err)
	}
}
