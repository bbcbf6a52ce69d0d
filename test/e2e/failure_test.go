package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/test/kube"
	"rollcall.dev/rollcall/test/stack"
)

// manifest returns a ClusterAgent; more is appended to its spec.
func manifest(name, endpoint, more string) string {
	return fmt.Sprintf("apiVersion: rollcall.dev/v1alpha1\nkind: ClusterAgent\nmetadata: {name: %s}\nspec:\n  endpoint: %s\n%s", name, endpoint, more)
}

func TestUnknownClusterIsNamed(t *testing.T) {
	t.Parallel()
	p := waitProblem(t, env.master, "/api/v1/clusters/nobody", http.StatusNotFound, "NotFound")
	if !strings.Contains(p.Detail, "nobody") {
		t.Errorf("got detail %q, want the name of the cluster in it", p.Detail)
	}
}

func TestEndpointWithoutServerIsReported(t *testing.T) {
	t.Parallel()
	register(t, manifest("no-server", "wss://127.0.0.1:1", ""))
	waitProblem(t, env.master, "/api/v1/clusters/no-server", http.StatusServiceUnavailable, "DialFailed")
	if message := waitCondition(t, "no-server", "Ready", metav1.ConditionFalse, "DialFailed"); !strings.Contains(message, "127.0.0.1:1") {
		t.Errorf("got condition message %q, want the endpoint in it", message)
	}
}

func TestServerWithAnotherCertificateIsRefused(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	endpoint := strings.Replace(server.URL, "https", "wss", 1)
	register(t, manifest("other-server", endpoint, "  tls: {pinnedSHA256: [\""+strings.Repeat("00", 32)+"\"]}\n"))
	waitProblem(t, env.master, "/api/v1/clusters/other-server", http.StatusServiceUnavailable, "CertificateRefused")
}

func TestGarbageFromAnAgentIsReported(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"rollcall.v1"}})
		if err != nil {
			return
		}
		defer conn.CloseNow()
		_ = conn.Write(r.Context(), websocket.MessageBinary, []byte("\xff\xffthis is no frame"))
		_, _, _ = conn.Read(r.Context())
	}))
	t.Cleanup(server.Close)
	register(t, manifest("garbage", strings.Replace(server.URL, "https", "wss", 1), fmt.Sprintf("  tls: {pinnedSHA256: [%s]}\n", pinOf(server))))
	waitProblem(t, env.master, "/api/v1/clusters/garbage", http.StatusServiceUnavailable, "ProtocolError")
}

func TestGarbageFromAMasterDoesNotDisturbOthers(t *testing.T) {
	t.Parallel()
	a := startAgent(t, "disturbed", "mode: Continuous")
	before := getCluster(t, env.master, "disturbed")
	if _, status, err := dialAsMaster(t, a, "nonsense"); err == nil || status != http.StatusUnauthorized {
		t.Errorf("dial without a valid token: got %d, %v; want 401", status, err)
	}
	conn, _, err := dialAsMaster(t, a, signed(t, "disturbed"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if err := conn.Write(t.Context(), websocket.MessageBinary, []byte("\xff\xffthis is no frame")); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, _, err = conn.Read(t.Context())
	}
	if code := websocket.CloseStatus(err); code != 4003 {
		t.Errorf("got close code %d (%v), want 4003", code, err)
	}
	if after := getCluster(t, env.master, "disturbed"); after.Session.ID != before.Session.ID {
		t.Errorf("got session %s, want %s", after.Session.ID, before.Session.ID)
	}
}

// dialAsMaster opens a websocket to an agent with the given token. status is that of the response.
func dialAsMaster(t *testing.T, a *stack.Agent, bearer string) (conn *websocket.Conn, status int, err error) {
	t.Helper()
	conn, response, err := websocket.Dial(t.Context(), a.Endpoint+"/v1/report", &websocket.DialOptions{
		HTTPClient: a.HTTP, Subprotocols: []string{"rollcall.v1"}, HTTPHeader: http.Header{"Authorization": {"Bearer " + bearer}},
	})
	if response != nil {
		status = response.StatusCode
	}
	return conn, status, err
}

// signed returns a token for an agent, signed with the key of the shared master.
func signed(t *testing.T, cluster string) string {
	t.Helper()
	key, err := token.ReadPrivateKey(env.stack.SigningKey())
	if err != nil {
		t.Fatal(err)
	}
	bearer, err := token.NewSigner(key).Sign(cluster, "a-test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return bearer
}

func TestAgentWithAnotherNameIsRefused(t *testing.T) {
	t.Parallel()
	a, err := env.stack.StartAgent(t.Context(), env.member, "really-this")
	if err != nil {
		t.Fatal(err)
	}
	register(t, strings.Replace(a.Manifest(""), "name: really-this", "name: not-that", 1))
	// The token is signed by the hub's key, although for another cluster, so the agent may reveal its name.
	waitProblem(t, env.master, "/api/v1/clusters/not-that", http.StatusServiceUnavailable, "WrongCluster")
	message := waitCondition(t, "not-that", "Ready", metav1.ConditionFalse, "WrongCluster")
	if !strings.Contains(message, "really-this") || !strings.Contains(message, "not-that") {
		t.Errorf("got condition message %q, want both names in it", message)
	}
}

func TestUnexpectedClusterIsRefusedAndNamed(t *testing.T) {
	t.Parallel()
	const expected = "00000000-0000-0000-0000-000000000000"
	a := startAgentWith(t, "other-uid", "  clusterUID: "+expected+"\n")
	waitProblem(t, env.master, "/api/v1/clusters/other-uid", http.StatusServiceUnavailable, "ClusterUIDMismatch")
	uid, err := env.member.UID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	message := waitCondition(t, "other-uid", "Ready", metav1.ConditionFalse, "ClusterUIDMismatch")
	if !strings.Contains(message, expected) || !strings.Contains(message, uid) {
		t.Errorf("got condition message %q, want both UIDs in it", message)
	}
	if _, err := env.hub.Kubectl("patch", "clusteragent", a.Cluster, "--type=merge", "-p", `{"spec":{"clusterUID":"`+uid+`"}}`); err != nil {
		t.Fatal(err)
	}
	kube.Eventually(t, 20*time.Second, func() error {
		_, err := tryGetCluster(t.Context(), env.master, "/api/v1/clusters/other-uid")
		return err
	})
}

// startAgentWith is like startAgent, with additional lines for the ClusterAgent's spec.
func startAgentWith(t *testing.T, name, spec string) *stack.Agent {
	t.Helper()
	a, err := env.stack.StartAgent(t.Context(), env.member, name)
	if err != nil {
		t.Fatal(err)
	}
	register(t, a.Manifest("")+spec)
	return a
}

func TestIPConflictIsDecidedForTheOlderCluster(t *testing.T) {
	t.Parallel()
	startAgentWith(t, "older", "  clusterIPs: [203.0.113.7, \"2001:db8::7\"]\n")
	waitCondition(t, "older", "Ready", metav1.ConditionTrue, "Succeeded")
	for _, ip := range []string{"203.0.113.7", "2001:db8::7"} {
		if d := getCluster(t, env.master, ip); d.Cluster != "older" {
			t.Errorf("%s: got cluster %q, want older", ip, d.Cluster)
		}
	}
	<-time.After(1100 * time.Millisecond) // creationTimestamp has a resolution of one second
	startAgentWith(t, "younger", "  clusterIPs: [203.0.113.7]\n")
	if message := waitCondition(t, "younger", "Ready", metav1.ConditionFalse, "ClusterIPConflict"); !strings.Contains(message, "older") || !strings.Contains(message, "203.0.113.7") {
		t.Errorf("got condition message %q, want the other cluster and the address in it", message)
	}
	if d := getCluster(t, env.master, "younger"); d.Cluster != "younger" {
		t.Errorf("by name: got cluster %q, want younger", d.Cluster)
	}
	if d := getCluster(t, env.master, "203.0.113.7"); d.Cluster != "older" {
		t.Errorf("by address: got cluster %q, want older", d.Cluster)
	}
	if _, err := env.hub.Kubectl("delete", "clusteragent", "older"); err != nil {
		t.Fatal(err)
	}
	kube.Eventually(t, 20*time.Second, func() error {
		d, err := tryGetCluster(t.Context(), env.master, "/api/v1/clusters/203.0.113.7")
		if err == nil && d.Cluster != "younger" {
			err = fmt.Errorf("by address: got cluster %q, want younger", d.Cluster)
		}
		return err
	})
	waitCondition(t, "younger", "Ready", metav1.ConditionTrue, "Succeeded")
}

func TestSuspendedClusterIsRefusedUntilResumed(t *testing.T) {
	t.Parallel()
	a := startAgent(t, "suspended", "mode: Continuous")
	getCluster(t, env.master, "suspended")
	patch := func(suspend bool) {
		if _, err := env.hub.Kubectl("patch", "clusteragent", "suspended", "--type=merge", "-p", fmt.Sprintf(`{"spec":{"suspend":%v}}`, suspend)); err != nil {
			t.Fatal(err)
		}
	}
	patch(true)
	waitProblem(t, env.master, "/api/v1/clusters/suspended", http.StatusConflict, "Suspended")
	waitMetric(t, a, "rollcall_agent_sessions", 0)
	patch(false)
	kube.Eventually(t, 20*time.Second, func() error {
		_, err := tryGetCluster(t.Context(), env.master, "/api/v1/clusters/suspended")
		return err
	})
}

func TestDeletedClusterIsForgotten(t *testing.T) {
	t.Parallel()
	a := startAgent(t, "deleted", "mode: Continuous")
	getCluster(t, env.master, "deleted")
	if _, err := env.hub.Kubectl("delete", "clusteragent", "deleted"); err != nil {
		t.Fatal(err)
	}
	waitProblem(t, env.master, "/api/v1/clusters/deleted", http.StatusNotFound, "NotFound")
	waitMetric(t, a, "rollcall_agent_sessions", 0)
}

func TestRestartedAgentReportsAgain(t *testing.T) {
	t.Parallel()
	a := startAgent(t, "killed", "requestPeriod: 1s, cacheTTL: 3s")
	before := getCluster(t, env.master, "killed")
	a.Kill()
	waitProblem(t, env.master, "/api/v1/clusters/killed?timeout=1s", http.StatusServiceUnavailable, "DialFailed")
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	kube.Eventually(t, time.Minute, func() error {
		after, err := tryGetCluster(t.Context(), env.master, "/api/v1/clusters/killed")
		if err == nil && after.ResourceVersion == before.ResourceVersion {
			err = fmt.Errorf("resourceVersion is still %s", after.ResourceVersion)
		}
		return err
	})
}

func TestMissingMetricsAPIIsReported(t *testing.T) {
	t.Parallel()
	bare, err := kube.Start(t.Context(), kube.Options{Name: "bare"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bare.Close)
	a, err := env.stack.StartAgent(t.Context(), bare, "bare")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Kill() })
	register(t, a.Manifest(""))
	kube.Eventually(t, 20*time.Second, func() error {
		d, err := tryGetCluster(t.Context(), env.master, "/api/v1/clusters/bare")
		if usage := d.section(state.SectionUsage); err == nil && usage.Error.Reason != "Unavailable" {
			err = fmt.Errorf("usage: %+v", usage)
		}
		return err
	})
	t.Run("API server stops and starts again", func(t *testing.T) { testAPIServerOutage(t, bare, a) })
}

// testAPIServerOutage stops a member's API server for a minute and checks what is reported meanwhile and afterwards.
func testAPIServerOutage(t *testing.T, member *kube.Cluster, a *stack.Agent) {
	if _, err := member.Kubectl("create", "service", "nodeport", "kept", "--tcp=80:80", "--node-port=31234"); err != nil {
		t.Fatal(err)
	}
	portKept := func(d document) error {
		for _, p := range d.Ports {
			if p.Port.Port == 31234 {
				return nil
			}
		}
		return fmt.Errorf("port 31234 is not in the port map: %v", d.Ports)
	}
	kube.Eventually(t, 10*time.Second, func() error {
		d, err := tryGetCluster(t.Context(), env.master, "/api/v1/clusters/bare")
		if err == nil {
			err = portKept(d)
		}
		return err
	})
	member.StopAPIServer()
	stopped := time.Now()
	kube.Eventually(t, 40*time.Second, func() error {
		d, err := tryGetCluster(t.Context(), env.master, "/api/v1/clusters/bare")
		if err != nil {
			return err
		}
		if network := d.section(state.SectionNetwork); network.Error.Reason != "Disconnected" || !d.Stale {
			return fmt.Errorf("network: %+v, stale %v", network, d.Stale)
		}
		return portKept(d)
	})
	kube.Eventually(t, 10*time.Second, func() error {
		response, err := a.HTTP.Get(a.URL + "/readyz")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode == http.StatusOK {
			return fmt.Errorf("the agent is ready")
		}
		return nil
	})
	<-time.After(time.Until(stopped.Add(time.Minute)))
	d := getCluster(t, env.master, "bare")
	if age := time.Since(d.section(state.SectionNetwork).ObservedAt); age < 45*time.Second {
		t.Errorf("network section after a minute: got an age of %s, want at least 45s", age)
	}
	if err := portKept(d); err != nil {
		t.Error(err)
	}
	if err := member.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	kube.Eventually(t, 30*time.Second, func() error {
		d, err := tryGetCluster(t.Context(), env.master, "/api/v1/clusters/bare")
		if network := d.section(state.SectionNetwork); err == nil && (network.Error.Reason != "" || d.Stale) {
			err = fmt.Errorf("network: %+v, stale %v", network, d.Stale)
		}
		return err
	})
}

func TestMissingRightsAreReportedBySection(t *testing.T) {
	t.Parallel()
	_, kubeconfig, err := env.member.User("limited-agent")
	if err != nil {
		t.Fatal(err)
	}
	role := `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: limited-agent}
rules:
- {apiGroups: [""], resources: [nodes, pods, services], verbs: [list, watch]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, watch]}
- {apiGroups: [""], resources: [namespaces], resourceNames: [kube-system], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: limited-agent}
subjects: [{kind: User, name: limited-agent, apiGroup: rbac.authorization.k8s.io}]
roleRef: {kind: ClusterRole, name: limited-agent, apiGroup: rbac.authorization.k8s.io}
`
	if _, err := env.member.KubectlInput(role, "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	a, err := env.stack.StartAgentWithKubeconfig(t.Context(), kubeconfig, "limited")
	if err != nil {
		t.Fatal(err)
	}
	register(t, a.Manifest(""))
	kube.Eventually(t, 20*time.Second, func() error {
		d, err := tryGetCluster(t.Context(), env.master, "/api/v1/clusters/limited")
		if err != nil {
			return err
		}
		for _, name := range []state.SectionName{state.SectionStorage, state.SectionUsage} {
			if s := d.section(name); s.Error.Reason != "Forbidden" {
				return fmt.Errorf("%s: %+v", name, s)
			}
		}
		if len(d.Nodes) == 0 || len(d.Pods) == 0 || len(d.Ports) == 0 {
			return fmt.Errorf("%d nodes, %d pods, %d ports", len(d.Nodes), len(d.Pods), len(d.Ports))
		}
		return nil
	})
}

func TestInvalidClusterAgentIsRejected(t *testing.T) {
	t.Parallel()
	startAgent(t, "before-bad", "")
	getCluster(t, env.master, "before-bad")
	for _, bad := range []string{
		manifest("10.0.0.1", "wss://10.0.0.1:7443", ""),
		manifest("bad-endpoint", "https://10.0.0.1:7443", ""),
		manifest("bad-path", "wss://10.0.0.1:7443/v1", ""),
		manifest("bad-period", "wss://10.0.0.1:7443", "  reporting: {requestPeriod: 10s, cacheTTL: 10s}\n"),
		manifest("bad-duration", "wss://10.0.0.1:7443", "  reporting: {sessionDuration: soon}\n"),
	} {
		if out, err := env.hub.KubectlInput(bad, "apply", "-f", "-"); err == nil {
			t.Errorf("the API server accepted\n%s\n%s", bad, out)
		}
	}
	getCluster(t, env.master, "before-bad")
}
