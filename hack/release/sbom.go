package main

import (
	"bytes"
	"cmp"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// executable is a built program.
type executable struct {
	name string
	Platform
	path string
}

// bom returns the SBOM of the executables in the format CycloneDX: the Go modules as they are recorded in the
// executables, Go's standard library, and the packages of the web page. It has neither a serial number nor a time, so
// that it depends only on the content.
func bom(s *Source, publisher *Publisher, executables []executable, modules []Module) ([]byte, error) {
	licenses := map[string][]string{}
	for _, m := range modules {
		licenses[m.Path] = m.Licenses
	}
	root := cdx.Component{
		BOMRef: "rollcall", Type: cdx.ComponentTypeApplication, Name: "rollcall", Version: s.Version, PackageURL: "pkg:golang/rollcall.dev/rollcall@" + s.Version,
		Licenses:           licensesOf([]string{"Apache-2.0"}),
		ExternalReferences: &[]cdx.ExternalReference{{Type: cdx.ERTypeVCS, URL: publisher.SourceURL}, {Type: cdx.ERTypeSecurityContact, URL: publisher.SecurityContact}},
	}
	libraries, programs, uses := map[string]cdx.Component{}, map[string]cdx.Component{}, map[string]map[string]bool{"rollcall": {}}
	use := func(program string, c cdx.Component) {
		libraries[c.BOMRef] = c
		uses[program][c.BOMRef] = true
	}
	for _, e := range executables {
		info, err := buildinfo.ReadFile(e.path)
		if err != nil {
			return nil, fmt.Errorf("read the modules of %s: %w", e.path, err)
		}
		if uses[e.name] == nil {
			programs[e.name] = cdx.Component{BOMRef: e.name, Type: cdx.ComponentTypeApplication, Name: e.name, Version: s.Version, Licenses: licensesOf([]string{"Apache-2.0"})}
			uses[e.name], uses["rollcall"][e.name] = map[string]bool{}, true
		}
		use(e.name, libraryComponent("pkg:golang/std@"+info.GoVersion, "std", info.GoVersion, licenses["std"]))
		for _, d := range info.Deps {
			c, err := moduleComponent(d, licenses)
			if err != nil {
				return nil, err
			}
			use(e.name, c)
		}
		if e.name == "rollcall-master" {
			page, err := pageComponents(filepath.Join(s.Root, "web"))
			if err != nil {
				return nil, err
			}
			for _, c := range page {
				use(e.name, c)
			}
		}
	}
	return encodeBOM(root, programs, libraries, uses)
}

// encodeBOM encodes an SBOM. programs and libraries have the components by reference, and uses the references of the
// components that each program uses.
func encodeBOM(root cdx.Component, programs, libraries map[string]cdx.Component, uses map[string]map[string]bool) ([]byte, error) {
	b := cdx.NewBOM()
	b.Metadata = &cdx.Metadata{Component: &root}
	var components []cdx.Component
	for _, all := range []map[string]cdx.Component{programs, libraries} {
		for _, ref := range slices.Sorted(maps.Keys(all)) {
			components = append(components, all[ref])
		}
	}
	var dependencies []cdx.Dependency
	for _, ref := range slices.Sorted(maps.Keys(uses)) {
		refs := slices.Sorted(maps.Keys(uses[ref]))
		dependencies = append(dependencies, cdx.Dependency{Ref: ref, Dependencies: &refs})
	}
	b.Components, b.Dependencies = &components, &dependencies
	var out bytes.Buffer
	if err := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetPretty(true).Encode(b); err != nil {
		return nil, fmt.Errorf("encode the SBOM: %w", err)
	}
	return out.Bytes(), nil
}

// moduleComponent returns the component of a Go module. Its hash is the one of go.sum.
func moduleComponent(d *debug.Module, licenses map[string][]string) (cdx.Component, error) {
	path := d.Path
	if d.Replace != nil {
		d = d.Replace
	}
	c := libraryComponent("pkg:golang/"+d.Path+"@"+d.Version, d.Path, d.Version, licenses[path])
	sum, ok := strings.CutPrefix(d.Sum, "h1:")
	hash, err := base64.StdEncoding.DecodeString(sum)
	if !ok || err != nil {
		return c, fmt.Errorf("the module %s has the checksum %q, want h1: and base64", d.Path, d.Sum)
	}
	c.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(hash)}}
	return c, nil
}

// libraryComponent returns a component of the type library. Its reference is its package URL.
func libraryComponent(purl, name, version string, licenses []string) cdx.Component {
	return cdx.Component{BOMRef: purl, Type: cdx.ComponentTypeLibrary, Name: name, Version: version, PackageURL: purl, Licenses: licensesOf(licenses)}
}

// licensesOf returns licences by their SPDX identifiers.
func licensesOf(ids []string) *cdx.Licenses {
	if len(ids) == 0 {
		return nil
	}
	var all cdx.Licenses
	for _, id := range ids {
		all = append(all, cdx.LicenseChoice{License: &cdx.License{ID: id}})
	}
	return &all
}

// pageComponents returns the npm packages that are bundled in the web page, from its lock file.
func pageComponents(web string) ([]cdx.Component, error) {
	content, err := os.ReadFile(filepath.Join(web, "package-lock.json"))
	if err != nil {
		return nil, fmt.Errorf("read the packages of the page: %w", err)
	}
	var lock struct {
		Packages map[string]struct {
			Version, Integrity, License string
			Dev, Optional, Peer         bool
		} `json:"packages"`
	}
	if err := json.Unmarshal(content, &lock); err != nil {
		return nil, fmt.Errorf("read the packages of the page: %w", err)
	}
	var components []cdx.Component
	for folder, p := range lock.Packages {
		name, ok := strings.CutPrefix(folder, "node_modules/")
		if !ok || p.Dev || p.Optional || p.Peer {
			continue
		}
		var licenses []string
		if p.License != "" {
			licenses = []string{p.License}
		}
		c := libraryComponent("pkg:npm/"+strings.Replace(name, "@", "%40", 1)+"@"+p.Version, name, p.Version, licenses)
		if sum, ok := strings.CutPrefix(p.Integrity, "sha512-"); ok {
			hash, err := base64.StdEncoding.DecodeString(sum)
			if err != nil {
				return nil, fmt.Errorf("read the checksum of the package %s: %w", name, err)
			}
			c.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA512, Value: hex.EncodeToString(hash)}}
		}
		components = append(components, c)
	}
	slices.SortFunc(components, func(a, b cdx.Component) int { return cmp.Compare(a.BOMRef, b.BOMRef) })
	return components, nil
}
