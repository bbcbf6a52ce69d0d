package main

import (
	"fmt"

	"sigs.k8s.io/yaml"
)

// krewName is the name of the plugin in krew's index.
const krewName = "rollcall"

// krewManifest returns the manifest for krew's index. archives has the archive of the plugin for each platform, and
// sums the SHA-256 of each archive.
func krewManifest(s *Source, publisher *Publisher, archives map[Platform]string, platforms []Platform, sums map[string]string) ([]byte, error) {
	type file struct {
		From string `json:"from"`
		To   string `json:"to"`
	}
	type selector struct {
		MatchLabels map[string]string `json:"matchLabels"`
	}
	type platform struct {
		Selector selector `json:"selector"`
		URI      string   `json:"uri"`
		SHA256   string   `json:"sha256"`
		Bin      string   `json:"bin"`
		Files    []file   `json:"files"`
	}
	var all []platform
	for _, p := range platforms {
		archive, bin := archives[p], pluginName+p.suffix()
		all = append(all, platform{
			Selector: selector{map[string]string{"os": p.OS, "arch": p.Arch}},
			URI:      publisher.DownloadURL + "/" + s.Version + "/" + archive,
			SHA256:   sums[archive],
			Bin:      bin,
			Files:    []file{{bin, "."}, {"LICENSE", "."}, {"NOTICE", "."}},
		})
	}
	content, err := yaml.Marshal(map[string]any{
		"apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
		"kind":       "Plugin",
		"metadata":   map[string]any{"name": krewName},
		"spec": map[string]any{
			"version":          s.Version,
			"homepage":         publisher.Homepage,
			"shortDescription": "Show the live state of many clusters",
			"description": "Shows the nodes, pods, containers, used ports and problems of the clusters of a Rollcall\n" +
				"master, and finds what uses a port in one cluster or in all.\n",
			"caveats":   "kubectl rollcall completion --install provides the completion of arguments.\n",
			"platforms": all,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("encode the manifest for krew: %w", err)
	}
	return content, nil
}
