// Release makes what a publisher publishes, without a container engine. hack/images.sh and hack/release.sh run it.
//
//	release images   container images for all platforms, as an OCI layout and as archives; with --push to a registry
//	release files    the files of the images for one platform, for the Dockerfile
//	release all      all files of a release; with --push also the images and charts to the registries
//	release notice   the file NOTICE, after a check that all licences of dependencies are allowed
//
// Everything is reproducible: the same commit and version of Go give the same bytes. Only the provenance has times.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// commands has the functions of the subcommands.
var commands = map[string]func(ctx context.Context, args []string) error{
	"images": runImages,
	"files":  runFiles,
	"all":    runAll,
	"notice": runNotice,
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "release:", err)
		stop()
		os.Exit(1)
	}
}

// run runs a subcommand.
func run(ctx context.Context, args []string) error {
	if len(args) == 0 || commands[args[0]] == nil {
		return errors.New("usage: release images|files|all|notice [FLAG…]")
	}
	return commands[args[0]](ctx, args[1:])
}

// options has the flags that all subcommands have.
type options struct {
	*flag.FlagSet
	root, publisher, output *string
}

// newOptions declares the flags that all subcommands have.
func newOptions(command, output string) options {
	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	return options{
		FlagSet:   flags,
		root:      flags.String("root", ".", "the root of the repository"),
		publisher: flags.String("publisher", "", "the file with registries and URLs of the publisher (default: publisher.yaml of the repository)"),
		output:    flags.String("output", output, "the folder to write to"),
	}
}

// parse parses the flags and reads the source and the publisher.
func (o options) parse(ctx context.Context, args []string) (*Source, *Publisher, error) {
	if err := o.Parse(args); err != nil {
		return nil, nil, err
	}
	if o.NArg() > 0 {
		return nil, nil, fmt.Errorf("unexpected arguments: %s (flags come first)", strings.Join(o.Args(), " "))
	}
	if *o.publisher == "" {
		*o.publisher = filepath.Join(*o.root, "publisher.yaml")
	}
	publisher, err := readPublisher(*o.publisher)
	if err != nil {
		return nil, nil, err
	}
	source, err := newSource(ctx, *o.root)
	if err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(*o.output, 0o755); err != nil {
		return nil, nil, fmt.Errorf("create the folder for the output: %w", err)
	}
	*o.output, err = filepath.Abs(*o.output)
	return source, publisher, err
}

// runImages builds the images.
func runImages(ctx context.Context, args []string) error {
	o := newOptions("images", "bin/images")
	registry := o.String("registry", "", "registry and path of the images (default: imageRegistry of the publisher)")
	list := o.String("platforms", "linux/amd64,linux/arm64", "the platforms, separated by commas")
	pushes := o.Bool("push", false, "also push the images to the registry")
	source, publisher, err := o.parse(ctx, args)
	if err != nil {
		return err
	}
	if *registry == "" {
		*registry = publisher.ImageRegistry
	}
	platforms, err := parsePlatforms(*list)
	if err != nil {
		return err
	}
	images, err := buildImages(ctx, source, publisher, *registry, platforms, *o.output)
	if err != nil {
		return err
	}
	if err := writeImages(images, *o.output); err != nil {
		return err
	}
	if *pushes {
		if err := push(ctx, images); err != nil {
			return err
		}
	}
	digests, err := os.ReadFile(filepath.Join(*o.output, "digests.txt"))
	if err != nil {
		return fmt.Errorf("read the digests: %w", err)
	}
	_, err = os.Stdout.Write(digests)
	return err
}

// runFiles writes the files of the images for one platform.
func runFiles(ctx context.Context, args []string) error {
	o := newOptions("files", "bin/files")
	list := o.String("platform", "linux/"+runtime.GOARCH, "the platform")
	source, _, err := o.parse(ctx, args)
	if err != nil {
		return err
	}
	platforms, err := parsePlatforms(*list)
	if err != nil {
		return err
	}
	if len(platforms) != 1 {
		return fmt.Errorf("got %d platforms, want one", len(platforms))
	}
	return writeFiles(ctx, source, platforms[0], *o.output)
}

// runAll makes a release.
func runAll(ctx context.Context, args []string) error {
	o := newOptions("all", "bin/release")
	version := o.String("version", "", "the version to release, as in the file VERSION")
	draft := o.Bool("draft", false, "allow uncommitted changes, the section Unreleased of CHANGELOG.md, and a publisher in the domain .example")
	list := o.String("platforms", "", "the platforms, separated by commas (default: all)")
	builder := o.String("builder", "", "the URI that identifies who builds, for the provenance (default: sourceURL of the publisher)")
	pushes := o.Bool("push", false, "also push images and charts to the registries of the publisher")
	source, publisher, err := o.parse(ctx, args)
	if err != nil {
		return err
	}
	r := &release{Source: source, publisher: publisher, platforms: pluginPlatforms, draft: *draft, out: *o.output}
	if *list != "" {
		if r.platforms, err = parsePlatforms(*list); err != nil {
			return err
		}
	}
	if err := r.check(*version); err != nil {
		return err
	}
	if *builder == "" {
		*builder = publisher.SourceURL
	}
	entries, err := os.ReadDir(r.out)
	if err != nil {
		return fmt.Errorf("read the folder of the release: %w", err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty: remove it, or name another folder by --output", r.out)
	}
	if r.work, err = os.MkdirTemp("", "rollcall-release-"); err != nil {
		return fmt.Errorf("create a folder for executables: %w", err)
	}
	defer os.RemoveAll(r.work)
	if err := r.make(ctx, *builder); err != nil {
		return err
	}
	if *pushes {
		if err := push(ctx, r.images); err != nil {
			return err
		}
		return pushCharts(ctx, r.charts)
	}
	return nil
}

// runNotice writes the file NOTICE.
func runNotice(ctx context.Context, args []string) error {
	o := newOptions("notice", ".")
	source, _, err := o.parse(ctx, args)
	if err != nil {
		return err
	}
	modules, err := source.dependencies(ctx)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(*o.output, "NOTICE"), notice(modules), 0o644)
}
