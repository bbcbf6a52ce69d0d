package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	slsa "github.com/in-toto/attestation/go/predicates/provenance/v1"
	intoto "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// provenance returns the statement of how the files were built, in the format in-toto Statement v1 with the predicate
// SLSA Provenance v1. sums has the SHA-256 of each file. The publisher signs it, for example by cosign attest-blob. It
// is the only file of a release that differs between two builds.
func provenance(ctx context.Context, s *Source, publisher *Publisher, builder string, sums map[string]string, start time.Time) ([]byte, error) {
	goVersion, err := exec.CommandContext(ctx, "go", "env", "GOVERSION").Output()
	if err != nil {
		return nil, fmt.Errorf("find the version of Go: %w", err)
	}
	dependencies := []*intoto.ResourceDescriptor{
		{Uri: "git+" + publisher.SourceURL, Digest: map[string]string{"gitCommit": strings.TrimSuffix(s.Commit, "-dirty")}},
		{Name: "go", Uri: "pkg:golang/toolchain@" + strings.TrimSpace(string(goVersion))},
	}
	for _, name := range []string{"go.sum", "hack/release/go.sum", "web/package-lock.json"} {
		sum, err := sha256Of(filepath.Join(s.Root, filepath.FromSlash(name)))
		if err != nil {
			return nil, err
		}
		dependencies = append(dependencies, &intoto.ResourceDescriptor{Name: name, Digest: map[string]string{"sha256": sum}})
	}
	parameters, err := structpb.NewStruct(map[string]any{"version": s.Version, "imageRegistry": publisher.ImageRegistry, "chartRegistry": publisher.ChartRegistry, "downloadURL": publisher.DownloadURL})
	if err != nil {
		return nil, fmt.Errorf("describe the build: %w", err)
	}
	predicate := &slsa.Provenance{
		BuildDefinition: &slsa.BuildDefinition{
			BuildType:            publisher.SourceURL + "/hack/release.sh",
			ExternalParameters:   parameters,
			ResolvedDependencies: dependencies,
		},
		RunDetails: &slsa.RunDetails{
			Builder:  &slsa.Builder{Id: builder, Version: map[string]string{"go": strings.TrimSpace(string(goVersion)), "platform": runtime.GOOS + "/" + runtime.GOARCH}},
			Metadata: &slsa.BuildMetadata{StartedOn: timestamppb.New(start), FinishedOn: timestamppb.Now()},
		},
	}
	if err := predicate.Validate(); err != nil {
		return nil, fmt.Errorf("describe the build: %w", err)
	}
	encoded, err := protojson.Marshal(predicate)
	if err != nil {
		return nil, fmt.Errorf("encode the provenance: %w", err)
	}
	content := new(structpb.Struct)
	if err := protojson.Unmarshal(encoded, content); err != nil {
		return nil, fmt.Errorf("encode the provenance: %w", err)
	}
	statement := &intoto.Statement{Type: intoto.StatementTypeUri, PredicateType: "https://slsa.dev/provenance/v1", Predicate: content}
	for name, sum := range sums {
		statement.Subject = append(statement.Subject, &intoto.ResourceDescriptor{Name: name, Digest: map[string]string{"sha256": sum}})
	}
	slices.SortFunc(statement.Subject, func(a, b *intoto.ResourceDescriptor) int { return strings.Compare(a.Name, b.Name) })
	if err := statement.Validate(); err != nil {
		return nil, fmt.Errorf("describe the build: %w", err)
	}
	encoded, err = protojson.MarshalOptions{Multiline: true}.Marshal(statement)
	if err != nil {
		return nil, fmt.Errorf("encode the provenance: %w", err)
	}
	return append(encoded, '\n'), nil
}
