package manifests

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/api/tlsfiles"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/test/kube"
	"rollcall.dev/rollcall/test/proc"
	"rollcall.dev/rollcall/test/stack"
)

const (
	timeout    = 2 * time.Minute
	ca         = "rollcall-master-ca"
	signingKey = "rollcall-master-signing-key"
	service    = "rollcall-master.rollcall-system.svc"
	masterUser = "system:serviceaccount:" + stack.Namespace + ":rollcall-master"
)

// environment is a hub with the objects of config/master. No controller runs its Deployment.
type environment struct {
	t          *testing.T
	hub        *kube.Cluster
	stack      *stack.Stack
	dir        string
	kubeconfig string // of the master's service account
	ports      proc.Ports
}

// newEnvironment starts a hub and applies config/master.
func newEnvironment(t *testing.T) *environment {
	t.Helper()
	env := &environment{t: t, dir: t.TempDir(), hub: kube.Fresh(t, kube.Options{Name: "manifests", Audit: true})}
	env.apply()
	var err error
	if env.stack, err = stack.New(t.Context(), stack.Options{Dir: env.dir}); err != nil {
		t.Fatal(err)
	}
	if _, env.kubeconfig, err = env.hub.ServiceAccount(t.Context(), stack.Namespace, "rollcall-master"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(env.ports.Release)
	return env
}

// apply applies config/master.
func (env *environment) apply(flags ...string) {
	env.t.Helper()
	if out, err := env.hub.Kubectl(append([]string{"apply", "--validate=strict", "-k", filepath.Join(repository, "config/master")}, flags...)...); err != nil {
		env.t.Fatalf("%v\n%s", err, out)
	}
}

// replica is one of several masters.
type replica struct {
	*proc.Process
	address string
}

// start starts a master with the arguments of the manifest and the rights of its
// service account. Only the values that depend on the node differ: addresses and paths.
func (env *environment) start(name string, flags ...string) *replica {
	env.t.Helper()
	port, err := env.ports.Of(name)
	if err != nil {
		env.t.Fatal(err)
	}
	r := &replica{address: fmt.Sprintf("127.0.0.1:%d", port)}
	args := []string{"--kubeconfig", env.kubeconfig}
	for _, arg := range masterArgs(env.t) {
		switch flag, _, _ := strings.Cut(arg, "="); flag {
		case "--listen":
			arg = "--listen=" + r.address
		case "--health-listen":
			arg = "--health-listen=127.0.0.1:0"
		case "--serving-cert-names":
			arg = "--serving-cert-names=203.0.113.9,2001:db8::9"
		}
		args = append(args, arg)
	}
	args = append(args, flags...)
	r.Process, err = proc.Start(proc.Command{
		Executable: filepath.Join(env.stack.BinDir(), "rollcall-master"), Args: args, Home: env.dir, LogFile: filepath.Join(env.dir, "logs", name+".log"),
	})
	if err != nil {
		env.t.Fatal(err)
	}
	env.t.Cleanup(r.Kill)
	return r
}

// publishedCA returns the published CA, read by a user who is authenticated and has no other rights.
func (env *environment) publishedCA() string {
	env.t.Helper()
	_, kubeconfig, err := env.hub.User("reader")
	if err != nil {
		env.t.Fatal(err)
	}
	out, err := env.hub.Kubectl("--kubeconfig", kubeconfig, "-n", stack.Namespace, "get", "configmap", ca, "-o", `jsonpath={.data.ca\.crt}`)
	if err != nil {
		env.t.Fatal(err)
	}
	return out
}

// verify connects to a replica and verifies it with the CA and the Service's name. It returns the certificate.
func verify(bundle string, r *replica) (*x509.Certificate, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(bundle)) {
		return nil, fmt.Errorf("no published CA: %q", bundle)
	}
	c, err := tls.Dial("tcp", r.address, &tls.Config{RootCAs: roots, ServerName: service})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0], nil
}

// TestReplicasRaceToMakeOneCAWithTheShippedRights starts several masters at the same time in a hub without
// a CA.
func TestReplicasRaceToMakeOneCAWithTheShippedRights(t *testing.T) {
	env := newEnvironment(t)
	replicas := make([]*replica, 3)
	for i := range replicas {
		replicas[i] = env.start(fmt.Sprintf("master-%d", i))
	}
	keys := map[string]bool{}
	for _, r := range replicas {
		kube.Eventually(t, timeout, func() error {
			leaf, err := verify(env.publishedCA(), r)
			if err == nil {
				keys[string(leaf.RawSubjectPublicKeyInfo)] = true
			}
			return err
		})
	}
	bundle := env.publishedCA()
	if len(keys) != len(replicas) || strings.Count(bundle, "BEGIN CERTIFICATE") != 1 {
		t.Errorf("got %d keys of %d masters and the published CA\n%s\nwant one key each and one certificate", len(keys), len(replicas), bundle)
	}
	secret, err := env.hub.Client().CoreV1().Secrets(stack.Namespace).Get(t.Context(), ca, metav1.GetOptions{})
	if err != nil || string(secret.Data["ca.crt"]) != bundle || len(secret.Data["ca.key"]) == 0 {
		t.Errorf("the Secret's certificate differs from the published one: %v", err)
	}

	t.Run("masters publish the public half of their signing key", func(t *testing.T) { env.checkSigningKey() })
	t.Run("a restarted master uses the same CA", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		defer cancel()
		if err := replicas[1].Stop(ctx); err != nil {
			t.Fatal(err)
		}
		replicas[1] = env.start("master-1")
		kube.Eventually(t, timeout, func() error { _, err := verify(bundle, replicas[1]); return err })
	})
	t.Run("applying the tree again keeps the CA", func(t *testing.T) {
		env.apply()
		env.apply("--server-side", "--force-conflicts")
		if got := env.publishedCA(); got != bundle {
			t.Errorf("published CA: got\n%s\nwant\n%s", got, bundle)
		}
		again, err := env.hub.Client().CoreV1().Secrets(stack.Namespace).Get(t.Context(), ca, metav1.GetOptions{})
		if err != nil || string(again.Data["ca.key"]) != string(secret.Data["ca.key"]) {
			t.Errorf("the key in the Secret has changed: %v", err)
		}
		env.checkSigningKey()
	})
	t.Run("a caller with a token gets a response from a verified master", func(t *testing.T) {
		kube.Eventually(t, timeout, func() error { return env.checkLeader(replicas, bundle) })
	})
	t.Run("the plugin verifies a master with the commands of docs/KUBECTL.md", func(t *testing.T) { env.checkPlugin(env.start("plain", "--leader-elect=false")) })
	t.Run("tokens can be limited to the master", func(t *testing.T) { env.checkNarrowToken(bundle) })
	t.Run("an agent makes its key with the shipped rights", func(t *testing.T) { env.checkAgentKey() })
	t.Run("the shipped rights suffice, and masters request nothing else", func(t *testing.T) { env.checkAuditLog(replicas) })
}

// checkSigningKey checks that the Secret has a signing key, and that the ConfigMap has its public key and nothing else.
func (env *environment) checkSigningKey() {
	env.t.Helper()
	core := env.hub.Client().CoreV1()
	secret, err := core.Secrets(stack.Namespace).Get(env.t.Context(), signingKey, metav1.GetOptions{})
	if err != nil {
		env.t.Fatal(err)
	}
	key, err := token.ParsePrivateKey(secret.Data["signing.key"])
	if err != nil {
		env.t.Fatal(err)
	}
	_, public, err := token.EncodeKeyPair(key)
	if err != nil {
		env.t.Fatal(err)
	}
	published, err := core.ConfigMaps(stack.Namespace).Get(env.t.Context(), "rollcall-master-public-key", metav1.GetOptions{})
	if err != nil || len(published.Data) != 1 || published.Data["signing.key.pub"] != string(public) {
		env.t.Errorf("got published %v, %v; want the public half of the key in the Secret", published.Data, err)
	}
}

// checkAgentKey starts an agent with the arguments of config/agent and the rights of its service account, with the public
// key that the masters published. It checks that the agent serves the key whose pin it publishes, and still has it after
// the tree was applied again and the agent restarted.
func (env *environment) checkAgentKey() {
	env.t.Helper()
	applyAgent := func() {
		if out, err := env.hub.Kubectl("apply", "--validate=strict", "-k", filepath.Join(repository, "config/agent")); err != nil {
			env.t.Fatalf("%v\n%s", err, out)
		}
	}
	applyAgent()
	_, kubeconfig, err := env.hub.ServiceAccount(env.t.Context(), stack.Namespace, "rollcall-agent")
	if err != nil {
		env.t.Fatal(err)
	}
	publicKey := filepath.Join(env.dir, "signing.key.pub")
	env.shell(`kubectl -n rollcall-system get configmap rollcall-master-public-key -o jsonpath='{.data.signing\.key\.pub}' > ` + publicKey)
	port, err := env.ports.Of("agent")
	if err != nil {
		env.t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	args := []string{"--kubeconfig", kubeconfig}
	for _, arg := range objects[appsv1.Deployment](env.t, render(env.t, filepath.Join(repository, "config/agent")), "Deployment")[0].Spec.Template.Spec.Containers[0].Args {
		switch flag, _, _ := strings.Cut(arg, "="); flag {
		case "--listen":
			arg = "--listen=" + address
		case "--health-listen":
			arg = "--health-listen=127.0.0.1:0"
		case "--cluster-name":
			arg = "--cluster-name=" + cluster
		case "--master-public-key-file":
			arg = "--master-public-key-file=" + publicKey
		}
		args = append(args, arg)
	}
	var pins []string
	for range 2 {
		agent, err := proc.Start(proc.Command{
			Executable: filepath.Join(env.stack.BinDir(), "rollcall-agent"), Args: append(args, "--metrics-listen="), Home: env.dir, LogFile: filepath.Join(env.dir, "logs", "agent.log"),
		})
		if err != nil {
			env.t.Fatal(err)
		}
		env.t.Cleanup(agent.Kill)
		kube.Eventually(env.t, timeout, func() error {
			c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
			if err != nil {
				return err
			}
			defer c.Close()
			served := tlsfiles.Pin(c.ConnectionState().PeerCertificates[0])
			if published := env.shell("kubectl -n rollcall-system get configmap rollcall-agent-pin -o jsonpath='{.data.pin}'"); published != served {
				return fmt.Errorf("got published pin %q, want %s", published, served)
			}
			pins = append(pins, served)
			return nil
		})
		agent.Kill()
		applyAgent()
	}
	if pins[0] != pins[1] {
		env.t.Errorf("got pins %q, want the same after a restart", pins)
	}
	events, err := env.hub.AuditFor(stack.User, time.Time{})
	if err != nil {
		env.t.Fatal(err)
	}
	for _, e := range events {
		if e.Code == http.StatusForbidden {
			env.t.Errorf("forbidden: %s", e)
		}
	}
}

// listClusters requests the list of clusters from a replica, verifies its certificate, and returns the status.
func listClusters(bundle string, r *replica, token string) (int, error) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(bundle))
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: service},
	}}
	request, err := http.NewRequest(http.MethodGet, "https://"+r.address+"/api/v1/clusters", nil)
	if err != nil {
		return 0, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	response.Body.Close()
	return response.StatusCode, nil
}

// checkLeader returns an error unless one of the replicas, the leader, responds with 200.
func (env *environment) checkLeader(replicas []*replica, bundle string) error {
	account, _, err := env.hub.ServiceAccount(env.t.Context(), stack.Namespace, "caller")
	if err != nil {
		if _, err := env.hub.Kubectl("-n", stack.Namespace, "create", "serviceaccount", "caller"); err != nil {
			return err
		}
		_, err = env.hub.Kubectl("create", "clusterrolebinding", "viewers", "--clusterrole", "rollcall-viewer", "--serviceaccount", stack.Namespace+":caller")
		return fmt.Errorf("created the caller, retry: %w", err)
	}
	var statuses []int
	for _, r := range replicas {
		status, err := listClusters(bundle, r, account.BearerToken)
		if err != nil {
			return err
		}
		statuses = append(statuses, status)
	}
	if !slices.Contains(statuses, http.StatusOK) {
		return fmt.Errorf("got statuses %v, want 200 from the leader", statuses)
	}
	return nil
}

// checkAuditLog checks the masters' requests in the hub's audit log.
func (env *environment) checkAuditLog(replicas []*replica) {
	env.t.Helper()
	events, err := env.hub.AuditFor(masterUser, time.Time{})
	if err != nil {
		env.t.Fatal(err)
	}
	updates := map[string]int{}
	for _, e := range events {
		if e.Code == http.StatusForbidden {
			env.t.Errorf("forbidden: %s", e)
		}
		if e.Resource != "secrets" && (e.Resource != "configmaps" || e.Namespace != stack.Namespace) {
			continue
		}
		if !slices.Contains(ownObjects["rollcall-master-serving-ca"].objects, e.Resource+" "+e.Name) &&
			!slices.Contains(ownObjects["rollcall-master-signing-key"].objects, e.Resource+" "+e.Name) || e.Verb != "get" && e.Verb != "update" {
			env.t.Errorf("got a request for more than the master's own keys: %s", e)
		}
		if e.Resource == "secrets" && e.Verb == "update" && e.Code == http.StatusOK {
			updates[e.Name]++
		}
	}
	if want := map[string]int{ca: 1, signingKey: 1}; !maps.Equal(updates, want) {
		env.t.Errorf("got %v updates of Secrets by %d masters, want %v", updates, len(replicas), want)
	}
}
