package join

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"rollcall.dev/rollcall/api/v1alpha1"
)

const (
	// membersAtOnce limits the members that are read at the same time.
	membersAtOnce = 8
	// maxKeySet limits the key set of a member's issuer, as the schema of ClusterAgents does.
	maxKeySet = 64 << 10
	// agentSubject is the service account of the agent.
	agentSubject = "system:serviceaccount:" + Namespace + ":" + agentName
)

// ManifestOptions are the settings of WriteManifests.
type ManifestOptions struct {
	// Hub is the cluster of the masters, in HubNamespace.
	Hub          *Cluster
	HubNamespace string
	// HubAddress is the URL at which the members reach the masters, and HubServerName the name in their certificate. By
	// default, both are looked up in the hub.
	HubAddress, HubServerName string
	// Members has the clusters by their names.
	Members map[string]*Cluster
	// Dir is the folder for the files.
	Dir string
	// ProxyURL, ImageRegistry and ImagePullSecret are settings of the agents; Labels are those of the ClusterAgents.
	ProxyURL, ImageRegistry, ImagePullSecret string
	Labels                                   map[string]string
	// Out gets a line for each step and cluster.
	Out io.Writer
}

// writing is one run of WriteManifests.
type writing struct {
	ManifestOptions
	run    run
	hub    hub
	facts  hubFacts
	hubUID string
	agents []v1alpha1.ClusterAgent
}

// memberFacts are what the hub needs to know of a member.
type memberFacts struct {
	name, uid, version, issuer, jwks string
	err                              error
}

// WriteManifests reads hub and members, changes nothing in them, and writes manifests for a Git repository: Dir/hub
// with the ClusterAgents, and Dir/members with the agents. They contain no secret: an agent proves itself by a token of
// its service account.
func WriteManifests(ctx context.Context, o ManifestOptions) error {
	w := &writing{ManifestOptions: o, run: run{out: o.Out}, hub: hub{o.Hub, o.HubNamespace}}
	if err := w.run.execute(ctx, []step{{"hub", w.checkHub}}); err != nil {
		return err
	}
	written, failed := w.chooseMembers(ctx)
	if len(written) > 0 {
		if err := w.write(written); err != nil {
			return err
		}
		fmt.Fprintf(o.Out, "\n%s in %s: apply %s to the hub, and %s to each member.\n", plural(len(written), "cluster"), o.Dir, filepath.Join(o.Dir, "hub"), filepath.Join(o.Dir, "members", "NAME"))
	}
	if failed > 0 || len(written) == 0 {
		fmt.Fprintf(o.Out, "%s could not be read.\n", plural(failed, "cluster"))
		return ErrFailed
	}
	return nil
}

func (w *writing) checkHub(ctx context.Context) (result, error) {
	var err error
	if w.hubUID, err = w.hub.uid(ctx); err != nil {
		return result{}, err
	}
	if err := w.hub.keys(ctx, &w.facts); err != nil {
		return result{}, err
	}
	if err := w.hub.findAddress(ctx, w.HubAddress, w.HubServerName, &w.facts); err != nil {
		return result{}, err
	}
	if w.agents, err = w.hub.agents(ctx); err != nil {
		return result{}, err
	}
	return resultf("%s; the agents dial it at %s (%s), signing key %s", w.Hub.Host, w.facts.address, w.facts.source, keyFingerprint(w.facts.signingKeys))
}

// readMembers reads all members, in the order of their names.
func (w *writing) readMembers(ctx context.Context) []memberFacts {
	var all []memberFacts
	for name := range w.Members {
		all = append(all, memberFacts{name: name})
	}
	slices.SortFunc(all, func(a, b memberFacts) int { return cmp.Compare(a.name, b.name) })
	var group errgroup.Group
	group.SetLimit(membersAtOnce)
	for i := range all {
		group.Go(func() error {
			all[i].err = w.Members[all[i].name].readIdentity(ctx, &all[i])
			return nil
		})
	}
	_ = group.Wait() // the errors are in the facts
	return all
}

// readIdentity reads the UID of a cluster, and the issuer of its service account tokens with its keys.
func (c *Cluster) readIdentity(ctx context.Context, m *memberFacts) (err error) {
	if m.version, err = c.version(); err != nil {
		return err
	}
	if m.uid, err = c.uid(ctx); err != nil {
		return err
	}
	rest := c.Client.Discovery().RESTClient()
	text, err := rest.Get().AbsPath("/.well-known/openid-configuration").DoRaw(ctx)
	if err != nil {
		return c.explain("read the issuer of service account tokens", err)
	}
	var configuration struct{ Issuer string }
	if err := json.Unmarshal(text, &configuration); err != nil || configuration.Issuer == "" {
		return errors.New("the API server names no issuer of service account tokens in /.well-known/openid-configuration")
	}
	keys, err := rest.Get().AbsPath("/openid/v1/jwks").DoRaw(ctx)
	if err != nil {
		return c.explain("read the keys of service account tokens", err)
	}
	var set struct{ Keys []json.RawMessage }
	if err := json.Unmarshal(keys, &set); err != nil || len(set.Keys) == 0 || len(keys) > maxKeySet {
		return fmt.Errorf("the API server has no usable key set in /openid/v1/jwks: got %d bytes and %s", len(keys), plural(len(set.Keys), "key"))
	}
	m.issuer, m.jwks = configuration.Issuer, strings.TrimSpace(string(keys))
	return nil
}

// chooseMembers prints a line for each member. It returns those that can be written, and the number of the others.
func (w *writing) chooseMembers(ctx context.Context) (selected []memberFacts, failed int) {
	names := map[string]string{w.hubUID: "the hub"}
	for _, m := range w.readMembers(ctx) {
		if m.err == nil {
			_, m.err = checkName(w.agents, m.name, m.uid)
		}
		switch other, seen := names[m.uid]; {
		case m.err != nil:
			w.run.printFailure(m.name, m.err)
			failed++
		case seen:
			w.run.printLine("!", m.name, fmt.Sprintf("left out: its context is for the same cluster as %s (UID %s)", other, m.uid))
		default:
			names[m.uid] = m.name
			selected = append(selected, m)
			w.run.printLine("✓", m.name, fmt.Sprintf("Kubernetes %s, UID %s, issuer %s", m.version, m.uid, m.issuer))
		}
	}
	return selected, failed
}

// write writes the files.
func (w *writing) write(members []memberFacts) error {
	var files []string
	for _, m := range members {
		settings := agentSettings{
			cluster: m.name, hub: w.facts.address, serverName: w.facts.serverName, ca: w.facts.ca, signingKeys: w.facts.signingKeys,
			proxy: w.ProxyURL, registry: w.ImageRegistry, pullSecret: w.ImagePullSecret, serviceAccountAudience: audience(w.facts.signingKeys, m.name),
		}
		objects, err := agentObjects(settings)
		if err != nil {
			return err
		}
		folder := filepath.Join(w.Dir, "members", m.name)
		if err := writeManifest(filepath.Join(folder, "agent.yaml"), objects); err != nil {
			return err
		}
		if err := writeKustomization(folder, []string{"agent.yaml"}); err != nil {
			return err
		}
		r := registration{name: m.name, uid: m.uid, labels: w.Labels, serviceAccount: &v1alpha1.ServiceAccountIdentity{
			Issuer: m.issuer, Subject: agentSubject, Audience: settings.serviceAccountAudience, JWKS: m.jwks,
		}}
		file := m.name + ".yaml"
		if err := writeManifest(filepath.Join(w.Dir, "hub", file), []*unstructured.Unstructured{r.object()}); err != nil {
			return err
		}
		files = append(files, file)
	}
	return writeKustomization(filepath.Join(w.Dir, "hub"), files)
}

// audience returns the default audience of the agents' tokens: rollcall:HUB:NAME, with the first 16 digits of the
// SHA-256 of the hub's public signing key.
func audience(signingKeys, name string) string {
	block, _ := pem.Decode([]byte(signingKeys))
	if block == nil {
		return ""
	}
	sum := sha256.Sum256(block.Bytes)
	return "rollcall:" + hex.EncodeToString(sum[:8]) + ":" + name
}

// writeManifest writes objects to a file.
func writeManifest(path string, objects []*unstructured.Unstructured) error {
	var text bytes.Buffer
	for i, object := range objects {
		if i > 0 {
			text.WriteString("---\n")
		}
		if err := writeObject(&text, object); err != nil {
			return err
		}
	}
	return writeFile(path, text.Bytes())
}

// writeKustomization writes a kustomization with resources.
func writeKustomization(folder string, resources []string) error {
	text := "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n"
	for _, name := range resources {
		text += "- " + name + "\n"
	}
	return writeFile(filepath.Join(folder, "kustomization.yaml"), []byte(text))
}

func writeFile(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // the files have no secret
		return fmt.Errorf("create the folder of the manifests: %w", err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil { //nolint:gosec // the files have no secret
		return fmt.Errorf("write the manifests: %w", err)
	}
	return nil
}
