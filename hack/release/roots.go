package main

import (
	"bytes"
	"encoding/pem"
	"fmt"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// rootsFile is the path of the CA certificates in an image, the first one that Go looks at on Linux.
const rootsFile = "etc/ssl/certs/ca-certificates.crt"

// roots returns Mozilla's CA certificates as PEM. They come from a Go module of the Go team, which the
// file go.sum pins, so that two builds have the same ones. Debian's package ca-certificates depends on when
// it was installed, and a machine's file can have certificates that its administrator added.
//
// Roots that Mozilla trusts with restrictions only are left out, since a PEM file cannot express these.
func roots() ([]byte, error) {
	var out bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue
		}
		if err := pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return nil, fmt.Errorf("encode the CA certificates: %w", err)
		}
	}
	return out.Bytes(), nil
}
