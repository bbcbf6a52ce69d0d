package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// Publisher has what differs between publishers: the content of publisher.yaml, which describes the fields.
type Publisher struct {
	ImageRegistry   string `json:"imageRegistry"`
	ChartRegistry   string `json:"chartRegistry"`
	DownloadURL     string `json:"downloadURL"`
	Homepage        string `json:"homepage"`
	SourceURL       string `json:"sourceURL"`
	SecurityContact string `json:"securityContact"`
}

// readPublisher reads a file like publisher.yaml. Unknown and missing fields are errors.
func readPublisher(file string) (*Publisher, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the publisher: %w", err)
	}
	p := new(Publisher)
	if err := yaml.UnmarshalStrict(content, p); err != nil {
		return nil, fmt.Errorf("read the publisher: %s: %w", file, err)
	}
	if err := p.validate(); err != nil {
		return nil, fmt.Errorf("read the publisher: %s: %w", file, err)
	}
	return p, nil
}

// validate returns an error that names each faulty field.
func (p *Publisher) validate() error {
	var errs []error
	for _, registry := range []struct{ field, value string }{{"imageRegistry", p.ImageRegistry}, {"chartRegistry", p.ChartRegistry}} {
		if registry.value == "" || strings.Contains(registry.value, "://") || strings.HasSuffix(registry.value, "/") {
			errs = append(errs, fmt.Errorf("%s is %q, want HOST/PATH without a scheme and a final slash", registry.field, registry.value))
		}
	}
	for _, link := range []struct{ field, value, schemes string }{
		{"downloadURL", p.DownloadURL, "https"},
		{"homepage", p.Homepage, "https"},
		{"sourceURL", p.SourceURL, "https"},
		{"securityContact", p.SecurityContact, "https mailto"},
	} {
		u, err := url.Parse(link.value)
		if err != nil || u.Scheme == "" || !slices.Contains(strings.Fields(link.schemes), u.Scheme) || u.Host+u.Opaque == "" || strings.HasSuffix(link.value, "/") {
			errs = append(errs, fmt.Errorf("%s is %q, want a URL with the scheme %s and no final slash",
				link.field, link.value, strings.Join(strings.Fields(link.schemes), " or ")))
		}
	}
	return errors.Join(errs...)
}
