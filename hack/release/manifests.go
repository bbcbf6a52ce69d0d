package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// installManifest returns what `kubectl apply -k config/TREE` installs, with the images of a registry.
func installManifest(s *Source, tree, registry string) ([]byte, error) {
	overlay, err := os.MkdirTemp("", "rollcall-overlay-")
	if err != nil {
		return nil, fmt.Errorf("create a folder for an overlay: %w", err)
	}
	defer os.RemoveAll(overlay)
	root, err := filepath.Abs(filepath.Join(s.Root, "config", tree))
	if err != nil {
		return nil, fmt.Errorf("find config/%s: %w", tree, err)
	}
	// kustomize accepts relative paths only, from the real path of the overlay.
	if overlay, err = filepath.EvalSymlinks(overlay); err != nil {
		return nil, fmt.Errorf("find the folder for an overlay: %w", err)
	}
	base, err := filepath.Rel(overlay, root)
	if err != nil {
		return nil, fmt.Errorf("find config/%s: %w", tree, err)
	}
	var kustomization strings.Builder
	fmt.Fprintf(&kustomization, "resources: [%q]\nimages:\n", base)
	for _, p := range programs {
		fmt.Fprintf(&kustomization, "- {name: %[1]s, newName: %[2]s/%[1]s}\n", p.name, registry)
	}
	if err := os.WriteFile(filepath.Join(overlay, "kustomization.yaml"), []byte(kustomization.String()), 0o600); err != nil {
		return nil, fmt.Errorf("write an overlay: %w", err)
	}
	rendered, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), overlay)
	if err != nil {
		return nil, fmt.Errorf("render config/%s: %w", tree, err)
	}
	content, err := rendered.AsYaml()
	if err != nil {
		return nil, fmt.Errorf("render config/%s: %w", tree, err)
	}
	return append(fmt.Appendf(nil, "# Rollcall %s, rendered from config/%s, whose kustomization.yaml says what to create before.\n", s.Version, tree), content...), nil
}
