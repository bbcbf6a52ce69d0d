// Kube-download downloads binaries of Kubernetes, so that hack/kube-binaries.sh has to build only the others:
//
//	kube-download -version v1.37.2 -output FOLDER
//
// It gets kube-apiserver, etcd and kubectl from the archive that setup-envtest downloads, of the same minor version, and
// on Linux kube-controller-manager and kube-scheduler from the release of Kubernetes. Each file is verified by its
// SHA-512 before it is used: of the index of setup-envtest, and of the release's own file or, if it is pinned, of
// hack/kube-binaries/downloads.sum. It gives up after a few seconds if a server does not answer or is too slow, prints
// what it has downloaded to stdout, and what it has not to stderr.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
)

const (
	// defaultIndex is the index of setup-envtest.
	defaultIndex = "https://raw.githubusercontent.com/kubernetes-sigs/controller-tools/HEAD/envtest-releases.yaml"
	// defaultRelease is where Kubernetes publishes its binaries.
	defaultRelease = "https://dl.k8s.io/release"
)

func main() {
	version := flag.String("version", "", "the version of Kubernetes, such as v1.37.2")
	output := flag.String("output", "", "the folder for the binaries")
	index := flag.String("index", defaultIndex, "the URL of the index of setup-envtest; empty: none")
	release := flag.String("release", defaultRelease, "the base URL of the binaries of Kubernetes; empty: none")
	pins := flag.String("pins", "", "a file with checksums: SHA-512, two spaces, VERSION/OS/ARCH/NAME")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s := &source{
		fetcher: newFetcher(http.DefaultTransport.(*http.Transport).Clone(), logf),
		version: *version, system: runtime.GOOS, arch: runtime.GOARCH, index: *index, release: *release,
	}
	if *pins != "" {
		content, err := os.ReadFile(*pins)
		if err != nil {
			logf("read the pinned checksums: %v", err)
			os.Exit(1)
		}
		s.pins = parsePins(string(content))
	}
	names, err := s.download(ctx, *output)
	if err != nil {
		logf("%v", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	for _, name := range names {
		fmt.Println(name)
	}
	if ctx.Err() != nil {
		os.Exit(130)
	}
}

// logf prints a line to stderr.
func logf(format string, args ...any) { fmt.Fprintf(os.Stderr, "kube-download: "+format+"\n", args...) }
