package local

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"rollcall.dev/rollcall/agent/informer"
)

const (
	// connectTimeout limits an attempt to connect to a cluster, without the time of a credential plugin.
	connectTimeout = 10 * time.Second
	// pluginNotice is after how long the user is told that a credential plugin is waited for, and pluginTimeout
	// after how long others no longer wait for it.
	pluginNotice  = 5 * time.Second
	pluginTimeout = 2 * time.Minute
)

// connected is a cluster that has answered.
type connected struct {
	rest         *rest.Config
	uid, version string
	limits       map[string]informer.Limit
}

// connect connects to the cluster once. Its error says what the user can do.
//
// A credential plugin of client-go cannot be canceled, so the attempt continues in the background if ctx ends or the
// plugin takes too long. Plugins that may ask for something run one after another.
func (m *member) connect(ctx context.Context) (*connected, error) {
	a, err := m.contexts.kubeconfig.access(m.context, m.contexts.version)
	if err != nil {
		return nil, err
	}
	type result struct {
		connected *connected
		err       error
	}
	plugin := a.rest.ExecProvider
	if mayAsk(plugin) {
		select {
		case <-m.contexts.turn:
			defer func() { m.contexts.turn <- struct{}{} }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	results := make(chan result, 1)
	go func() {
		c, err := m.identify(ctx, a)
		results <- result{c, err}
	}()
	var notice, timeout <-chan time.Time
	if plugin != nil {
		notice, timeout = time.After(pluginNotice), time.After(pluginTimeout)
	}
	for {
		select {
		case r := <-results:
			return r.connected, explain(r.err, m.context, a.rest)
		case <-notice:
			m.set(nil, fmt.Errorf("waiting for the credential plugin %s of the context %s: it may have opened a browser, or ask for something in this terminal", plugin.Command, m.context))
		case <-timeout:
			return nil, fmt.Errorf("the credential plugin %s of the context %s has not ended within %s: `kubectl --context %s get --raw /version` shows what it waits for", plugin.Command, m.context, pluginTimeout, m.context)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// silentPlugins are credential plugins that never ask for anything, although kubeconfigs say that they may.
var silentPlugins = []string{"aws", "aws-iam-authenticator", "gke-gcloud-auth-plugin"}

// mayAsk reports whether a credential plugin may open a browser or read from the terminal.
func mayAsk(plugin *clientcmdapi.ExecConfig) bool {
	if plugin == nil || plugin.InteractiveMode == clientcmdapi.NeverExecInteractiveMode {
		return false
	}
	return !slices.Contains(silentPlugins, strings.TrimSuffix(filepath.Base(plugin.Command), ".exe"))
}

// identify reads the cluster's identity and the user's rights.
func (m *member) identify(ctx context.Context, a *access) (*connected, error) {
	client, err := kubernetes.NewForConfig(a.rest)
	if err != nil {
		return nil, err
	}
	// The first request runs the credential plugin, whose time does not count.
	version, err := m.serverVersion(ctx, client, a.rest.ExecProvider != nil)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	uid, err := clusterUID(ctx, client, a.rest)
	if err != nil {
		return nil, err
	}
	namespaces := a.namespaces
	if len(m.contexts.namespaces) > 0 {
		namespaces = m.contexts.namespaces
	}
	if len(namespaces) > maxNamespaces {
		m.contexts.console.printf("%s: only the first %d of %d namespaces are read", m.name, maxNamespaces, len(namespaces))
		namespaces = namespaces[:maxNamespaces]
	}
	return &connected{rest: a.rest, uid: uid, version: version, limits: reviewRights(ctx, client, namespaces)}, nil
}

// serverVersion returns the version of the API server.
func (m *member) serverVersion(ctx context.Context, client kubernetes.Interface, plugin bool) (string, error) {
	timeout := connectTimeout
	if plugin {
		timeout += pluginTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	v, err := client.Discovery().ServerVersionWithContext(ctx)
	if err != nil {
		return "", err
	}
	return v.GitVersion, nil
}

// clusterUID returns the UID of the namespace kube-system, which identifies the cluster. If the user may not read it, it
// returns a hash of the API server's address and CA instead.
func clusterUID(ctx context.Context, client kubernetes.Interface, config *rest.Config) (string, error) {
	namespace, err := client.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	switch {
	case err == nil:
		return string(namespace.UID), nil
	case !apierrors.IsForbidden(err) && !apierrors.IsNotFound(err):
		return "", err
	}
	sum := sha256.Sum256([]byte(config.Host + "\n" + string(config.CAData) + "\n" + config.CAFile))
	return "server-" + hex.EncodeToString(sum[:16]), nil
}

// explain returns an error that says why a cluster does not answer, and what to do. It returns nil for nil.
func explain(err error, context string, config *rest.Config) error {
	var unverified *tls.CertificateVerificationError
	switch {
	case err == nil:
		return nil
	case expired(config) != "":
		return fmt.Errorf("the client certificate of the context %s has expired on %s: get new credentials; they are used as soon as the kubeconfig has them", context, expired(config))
	case strings.Contains(err.Error(), "getting credentials: "):
		return fmt.Errorf("the credential plugin of the context %s has failed: `kubectl --context %s get --raw /version` shows what it needs (%w)", context, context, err)
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("the API server does not accept the credentials of the context %s, which may have expired: sign in again; new credentials are used as soon as the kubeconfig has them (%w)", context, err)
	case errors.As(err, &unverified):
		return fmt.Errorf("the certificate of the API server %s is not trusted: check the certificate authority of the context %s (%w)", config.Host, context, err)
	case apierrors.ReasonForError(err) != metav1.StatusReasonUnknown:
		return fmt.Errorf("the API server %s refuses to answer: %w", config.Host, err)
	}
	return fmt.Errorf("the API server %s cannot be reached: check whether this machine is connected to its network or VPN (%w)", config.Host, err)
}

// expired returns when the client certificate of a configuration has expired, or "".
func expired(config *rest.Config) string {
	data := config.CertData
	if len(data) == 0 && config.CertFile != "" {
		data, _ = os.ReadFile(config.CertFile) // a missing file is the error of the request
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return ""
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil || time.Now().Before(certificate.NotAfter) {
		return ""
	}
	return certificate.NotAfter.Format(time.DateTime)
}
