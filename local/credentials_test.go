package local

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"rollcall.dev/rollcall/test/kube"
)

// asking is a credential plugin that may ask for something. It writes to the log "start", and "overlap" if another one
// runs, and returns the credential.
const asking = `#!/bin/sh
cd "$(dirname "$0")"
echo start >> log
mkdir running 2>/dev/null || echo overlap >> log
sleep 1
rmdir running
cat "$1"
`

// withPlugin returns a context whose credentials come from the plugin in dir.
func withPlugin(t *testing.T, dir string, c *kube.Cluster) userContext {
	t.Helper()
	config := c.Config()
	credential, err := json.Marshal(map[string]any{
		"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
		"status": map[string]string{"clientCertificateData": string(config.CertData), "clientKeyData": string(config.KeyData)},
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, c.Name)
	if err := os.WriteFile(file, credential, 0o600); err != nil {
		t.Fatal(err)
	}
	return userContext{Config: rest.AnonymousClientConfig(config), user: "plugin-of-" + c.Name, plugin: &clientcmdapi.ExecConfig{
		APIVersion: "client.authentication.k8s.io/v1", Command: filepath.Join(dir, "asking"), Args: []string{file},
		InteractiveMode: clientcmdapi.IfAvailableExecInteractiveMode,
	}}
}

func TestPluginsThatMayAskRunOneAfterAnother(t *testing.T) {
	one, other := kube.Shared(t, kube.Options{Name: "one"}), kube.Shared(t, kube.Options{Name: "other"})
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "asking"), []byte(asking), 0o700); err != nil {
		t.Fatal(err)
	}
	r := start(t, Config{Kubeconfig: kubeconfigFile(t, map[string]userContext{"one": withPlugin(t, dir, one), "other": withPlugin(t, dir, other)}), AllContexts: true})
	r.waitReporting("one")
	r.waitReporting("other")
	log, err := os.ReadFile(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	if starts := strings.Count(string(log), "start"); starts < 2 || strings.Contains(string(log), "overlap") {
		t.Errorf("got the log %q, want a start of each plugin and no overlap", log)
	}
}

func TestFailedPluginSaysWhatToRun(t *testing.T) {
	one := kube.Shared(t, kube.Options{Name: "one"})
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "asking"), []byte("#!/bin/sh\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	r := start(t, Config{Kubeconfig: kubeconfigFile(t, map[string]userContext{"one": withPlugin(t, dir, one)}), AllContexts: true})
	r.waitMessage("one", "the credential plugin of the context one has failed: `kubectl --context one get --raw /version` shows what it needs")
}

func TestExpiredCertificateIsTold(t *testing.T) {
	one := kube.Shared(t, kube.Options{Name: "one"})
	expiredAt := time.Now().Add(-time.Hour)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: expiredAt.Add(-time.Hour), NotAfter: expiredAt}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	config := rest.AnonymousClientConfig(one.Config())
	config.CertData = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
	config.KeyData = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	path := kubeconfigFile(t, map[string]userContext{"one": {Config: config, user: "jane"}})
	r := start(t, Config{Kubeconfig: path, AllContexts: true})
	r.waitMessage("one", "the client certificate of the context one has expired on "+expiredAt.UTC().Format(time.DateTime)+": get new credentials")
	writeKubeconfig(t, path, map[string]userContext{"one": admin(one)})
	r.waitReporting("one")
}

// waitMessage waits until the session of a cluster and the terminal have a message.
func (r *running) waitMessage(cluster, want string) {
	r.t.Helper()
	eventually(r.t, cluster+" says why", func() bool { return strings.Contains(r.clusters()[cluster].Session.Message, want) }, r.state)
	r.waitPrinted(cluster + ": " + want)
}
