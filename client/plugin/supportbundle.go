package plugin

import (
	"archive/tar"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"rollcall.dev/rollcall/client"
	"sigs.k8s.io/yaml"
)

const (
	// maxBundleFile limits a file of the bundle, and maxBundleLog a log, in bytes.
	maxBundleFile, maxBundleLog = 16 << 20, 2 << 20
	// bundleTimeout limits each request for the bundle.
	bundleTimeout = 30 * time.Second
)

func (p *plugin) supportBundle() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "support-bundle",
		Short: "Write an archive with what helps to find a fault, without secrets",
		Long: `Write an archive (tar.gz) with what helps to find a fault: ClusterAgents, ClusterStatuses and
their Events, versions, the masters' pods with their flags, their logs and metrics, and the
list of clusters.

It contains what you may read; errors.txt says what you may not. Secrets are never read.
Tokens, passwords, private keys and the values of environment variables are replaced by
[REDACTED]. Names of clusters, namespaces and workloads stay, and addresses too unless
--redact-addresses is set. Look at the files before you share them.`,
		Example: `  # Write rollcall-support-bundle-TIME.tar.gz
  kubectl rollcall support-bundle

  # Without addresses, to a file
  kubectl rollcall support-bundle --redact-addresses -f bundle.tar.gz`,
		Args: cobra.NoArgs,
	}
	file := cmd.Flags().StringP("file", "f", "", "file to write, which must not exist; default: rollcall-support-bundle-TIME.tar.gz")
	redactAddresses := cmd.Flags().Bool("redact-addresses", false, "replace IP addresses and the host names of endpoints by placeholders")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		b := &bundle{plugin: p, time: p.now().UTC()}
		if *redactAddresses {
			b.redactor.addresses = map[string]string{}
		}
		name := cmp.Or(*file, "rollcall-support-bundle-"+b.time.Format("20060102T150405Z")+".tar.gz")
		if err := b.collect(cmd.Context()); err != nil {
			return err
		}
		if err := b.write(name); err != nil {
			return err
		}
		fmt.Fprintf(p.Out, "%s: %d files, %d could not be read (see errors.txt in it). Look at the files before you share them.\n", name, len(b.files), len(b.errors))
		return nil
	}
	return cmd
}

// bundle collects the files of a support bundle.
type bundle struct {
	*plugin
	redactor redactor
	time     time.Time
	hub      rest.Interface

	files  []bundleFile
	errors []string
}

// bundleFile is a file of a bundle, before it is redacted.
type bundleFile struct{ name, text string }

// add adds a file, or the error of reading it.
func (b *bundle) add(name, text string, err error) {
	switch {
	case err != nil:
		b.errors = append(b.errors, fmt.Sprintf("%s: %v", name, err))
	case len(text) > maxBundleFile:
		b.files = append(b.files, bundleFile{name, text[:maxBundleFile] + "\n… cut off\n"})
	default:
		b.files = append(b.files, bundleFile{name, text})
	}
}

// collect reads everything. It returns an error only if there is no hub and no master.
func (b *bundle) collect(ctx context.Context) error {
	config, err := b.connection.hub()
	if err != nil {
		return err
	}
	for _, secret := range append(b.connection.secrets(), config.BearerToken, config.Password, b.connection.token) {
		b.redactor.addSecret(secret)
	}
	b.add("version.txt", b.Version, nil)
	b.collectHub(ctx, config)
	b.collectMaster(ctx)
	if len(b.files) <= 1 {
		return fmt.Errorf("nothing could be read: %s", strings.Join(b.errors, "; "))
	}
	return nil
}

// collectHub reads the objects of the hub.
func (b *bundle) collectHub(ctx context.Context, config *rest.Config) {
	api, err := kubernetes.NewForConfig(config)
	if err != nil || config.Host == "" {
		b.add("hub", "", errors.Join(err, errors.New("there is no kubeconfig of the hub")))
		return
	}
	b.hub = api.CoreV1().RESTClient()
	namespace := b.connection.namespace
	text, err := b.get(ctx, "/version", nil)
	b.add("hub-version.json", string(text), err)
	agents, _ := b.collectObjects(ctx, "clusteragents.yaml", "/apis/rollcall.dev/v1alpha1/clusteragents", nil)
	for _, agent := range agents {
		b.addHosts(agent)
	}
	_, _ = b.collectObjects(ctx, "clusterstatuses.yaml", "/apis/rollcall.dev/v1alpha1/clusterstatuses", nil)
	_, _ = b.collectObjects(ctx, "events.yaml", "/api/v1/namespaces/default/events", map[string]string{"fieldSelector": "involvedObject.kind=ClusterAgent"})
	for _, kind := range []struct{ file, api string }{
		{"events", "/api/v1"}, {"services", "/api/v1"}, {"deployments", "/apis/apps/v1"}, {"leases", "/apis/coordination.k8s.io/v1"}, {"networkpolicies", "/apis/networking.k8s.io/v1"},
	} {
		_, _ = b.collectObjects(ctx, path.Join("master", kind.file+".yaml"), kind.api+"/namespaces/"+namespace+"/"+kind.file, nil)
	}
	pods, err := b.collectObjects(ctx, "master/pods.yaml", "/api/v1/namespaces/"+namespace+"/pods", map[string]string{"labelSelector": b.connection.selector})
	if err != nil {
		return
	}
	for _, pod := range pods {
		b.collectLogs(ctx, namespace, nameOf(pod))
	}
}

// addHosts makes the hosts of a ClusterAgent count as addresses.
func (b *bundle) addHosts(agent map[string]any) {
	spec, _ := agent["spec"].(map[string]any)
	endpoint, _ := spec["endpoint"].(string)
	b.redactor.addHost(endpoint)
	tls, _ := spec["tls"].(map[string]any)
	serverName, _ := tls["serverName"].(string)
	b.redactor.addHost(serverName)
}

func nameOf(object map[string]any) string {
	metadata, _ := object["metadata"].(map[string]any)
	name, _ := metadata["name"].(string)
	return name
}

// collectLogs reads the log of a pod, and that of its container before the last restart.
func (b *bundle) collectLogs(ctx context.Context, namespace, pod string) {
	for name, previous := range map[string]bool{pod + ".log": false, pod + ".previous.log": true} {
		text, err := b.get(ctx, "/api/v1/namespaces/"+namespace+"/pods/"+pod+"/log", map[string]string{
			"limitBytes": strconv.Itoa(maxBundleLog), "tailLines": "5000", "timestamps": "true", "previous": strconv.FormatBool(previous),
		})
		if previous && err != nil {
			continue // there was no restart
		}
		b.add("master/logs/"+name, string(text), err)
	}
}

// get returns the answer of the hub's API server to a GET request.
func (b *bundle) get(ctx context.Context, path string, parameters map[string]string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, bundleTimeout)
	defer cancel()
	request := b.hub.Get().AbsPath(path)
	for name, value := range parameters {
		request = request.Param(name, value)
	}
	return request.DoRaw(ctx)
}

// collectObjects reads a list of objects, adds it as YAML, and returns the objects.
func (b *bundle) collectObjects(ctx context.Context, file, path string, parameters map[string]string) ([]map[string]any, error) {
	text, err := b.get(ctx, path, parameters)
	var list struct {
		Items []map[string]any `json:"items"`
	}
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err == nil {
		for _, object := range list.Items {
			b.redactor.object(object)
		}
		text, err = yaml.Marshal(list.Items)
	}
	b.add(file, string(text), err)
	return list.Items, err
}

// collectMaster reads what the master serves.
func (b *bundle) collectMaster(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, bundleTimeout)
	defer cancel()
	master, closeClient, err := b.connection.open(ctx)
	if err != nil {
		b.add("master", "", err)
		return
	}
	defer closeClient()
	metrics, err := master.Metrics(ctx)
	b.add("master/metrics.txt", string(metrics), err)
	var clusters []client.Cluster
	for c, listErr := range master.AllClusters(ctx, client.ClusterOptions{}) {
		if err = listErr; err != nil {
			break
		}
		clusters = append(clusters, c)
	}
	text, encodeErr := json.MarshalIndent(clusters, "", " ")
	b.add("master/clusters.json", string(text), errors.Join(err, encodeErr))
}

// write writes the archive. Only the user may read it.
func (b *bundle) write(name string) (err error) {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the user names the file
	if err != nil {
		return fmt.Errorf("create the archive: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	compressed := gzip.NewWriter(file)
	archive := tar.NewWriter(compressed)
	if len(b.errors) > 0 {
		b.files = append(b.files, bundleFile{"errors.txt", strings.Join(b.errors, "\n") + "\n"})
	}
	for _, f := range b.files {
		text := b.redactor.text(f.text)
		header := &tar.Header{Name: path.Join("rollcall-support-bundle", b.redactor.text(f.name)), Mode: 0o600, Size: int64(len(text)), ModTime: b.time}
		if err := archive.WriteHeader(header); err != nil {
			return fmt.Errorf("write the archive: %w", err)
		}
		if _, err := io.WriteString(archive, text); err != nil {
			return fmt.Errorf("write the archive: %w", err)
		}
	}
	if err := errors.Join(archive.Close(), compressed.Close()); err != nil {
		return fmt.Errorf("write the archive: %w", err)
	}
	return nil
}
