package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/v1alpha1"
	"rollcall.dev/rollcall/test/kube"
	"rollcall.dev/rollcall/test/stack"
)

// document has the fields of a response for one cluster that the tests read.
type document struct {
	Cluster         string    `json:"cluster"`
	UID             string    `json:"uid"`
	ResourceVersion string    `json:"resourceVersion"`
	ReceivedAt      time.Time `json:"receivedAt"`
	Stale           bool      `json:"stale"`
	Session         struct {
		ID        string    `json:"id"`
		Phase     string    `json:"phase"`
		StartedAt time.Time `json:"startedAt"`
		ExpiresAt time.Time `json:"expiresAt"`
	} `json:"session"`
	Sections   []section             `json:"sections"`
	Summary    state.Summary         `json:"summary"`
	Nodes      []state.NodeView      `json:"nodes"`
	Pods       []state.PodView       `json:"pods"`
	Containers []state.ContainerView `json:"containers"`
	Ports      []state.PortView      `json:"ports"`
}

// section is the status of a section.
type section struct {
	Name       string             `json:"name"`
	ObservedAt time.Time          `json:"observedAt"`
	Error      state.SectionError `json:"error"`
}

// section returns the status of a section, or the zero value.
func (d document) section(name state.SectionName) section {
	for _, s := range d.Sections {
		if s.Name == name.String() {
			return s
		}
	}
	return section{}
}

// problem is an application/problem+json response.
type problem struct {
	Status int    `json:"status"`
	Reason string `json:"reason"`
	Detail string `json:"detail"`
}

// getCluster gets the document of a cluster, and fails the test if that fails.
func getCluster(t *testing.T, m *stack.Master, cluster string) document {
	t.Helper()
	d, err := tryGetCluster(t.Context(), m, "/api/v1/clusters/"+cluster)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// tryGetCluster gets a document, or returns an error unless the status is 200.
func tryGetCluster(ctx context.Context, m *stack.Master, path string) (d document, err error) {
	response, err := m.Get(ctx, path)
	if err != nil {
		return d, err
	}
	if response.Status != http.StatusOK {
		return d, fmt.Errorf("GET %s: %d %s", path, response.Status, response.Body)
	}
	return d, response.Decode(&d)
}

// waitProblem waits until a GET has the given status and reason, and returns the problem.
func waitProblem(t *testing.T, m *stack.Master, path string, status int, reason string) problem {
	t.Helper()
	var p problem
	kube.Eventually(t, 20*time.Second, func() error {
		response, err := m.Get(t.Context(), path)
		if err != nil {
			return err
		}
		p = problem{}
		if err := response.Decode(&p); err != nil {
			return err
		}
		if response.Status != status || p.Reason != reason {
			return fmt.Errorf("GET %s: %d %s, want %d %s", path, response.Status, response.Body, status, reason)
		}
		return nil
	})
	return p
}

// agentUser creates a user of the member cluster with the agent's rights and a separate name in
// the audit log. It returns the path of its kubeconfig.
func agentUser(t *testing.T, cluster *kube.Cluster, name string) string {
	t.Helper()
	for _, args := range [][]string{
		{"apply", "--server-side", "-f", filepath.Join(repository, "config/agent/namespace.yaml")},
		{"apply", "--server-side", "-k", filepath.Join(repository, "config/rbac/agent")},
	} {
		if _, err := cluster.Kubectl(args...); err != nil {
			t.Fatal(err)
		}
	}
	_, kubeconfig, err := cluster.User(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"rollcall-agent", "rollcall-agent-usage-metrics-api"} {
		binding := &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name + "-" + role},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, Name: name, APIGroup: rbacv1.GroupName}},
			RoleRef:    rbacv1.RoleRef{Kind: "ClusterRole", Name: role, APIGroup: rbacv1.GroupName},
		}
		if _, err := cluster.Client().RbacV1().ClusterRoleBindings().Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return kubeconfig
}

// startAgent starts an agent for this test in the shared member cluster, and registers
// it with the shared master.
func startAgent(t *testing.T, name, reporting string, flags ...string) *stack.Agent {
	t.Helper()
	a, err := env.stack.StartAgent(t.Context(), env.member, name, flags...)
	if err != nil {
		t.Fatal(err)
	}
	register(t, a.Manifest(reporting))
	return a
}

// register applies a ClusterAgent to the hub, waits until the master lists it,
// and deletes it after the test.
func register(t *testing.T, manifest string) {
	t.Helper()
	out, err := env.hub.KubectlInput(manifest, "apply", "-f", "-", "-o", "name")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, name, _ := strings.Cut(strings.TrimSpace(out), "/")
	kube.Eventually(t, 10*time.Second, func() error {
		_, err := freshInList(t.Context(), env.master, name)
		return err
	})
	t.Cleanup(func() {
		if _, err := env.hub.KubectlInput(manifest, "delete", "--ignore-not-found", "--wait=false", "-f", "-"); err != nil {
			t.Error(err)
		}
	})
}

// clusterAgent returns a ClusterAgent of the hub.
func clusterAgent(t *testing.T, hub *kube.Cluster, name string) *v1alpha1.ClusterAgent {
	t.Helper()
	out, err := hub.Kubectl("get", "clusteragent", name, "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	var ca v1alpha1.ClusterAgent
	if err := json.Unmarshal([]byte(out), &ca); err != nil {
		t.Fatal(err)
	}
	return &ca
}

// waitCondition waits until a ClusterAgent's condition has the given status and reason, and
// returns its message.
func waitCondition(t *testing.T, name, kind string, status metav1.ConditionStatus, reason string) string {
	t.Helper()
	var message string
	kube.Eventually(t, 30*time.Second, func() error {
		ca := clusterAgent(t, env.hub, name)
		for _, c := range ca.Status.Conditions {
			if c.Type == kind && c.Status == status && c.Reason == reason {
				message = c.Message
				return nil
			}
		}
		return fmt.Errorf("ClusterAgent %s: want %s=%s/%s, got %+v", name, kind, status, reason, ca.Status.Conditions)
	})
	return message
}

// metric returns the value of an agent's metric, summed over its labels.
func metric(ctx context.Context, a *stack.Agent, name string) (sum float64, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.MetricsURL+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	response, err := a.HTTP.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	return sumOf(response.Body, name)
}

// waitMetric waits until an agent's metric has the wanted value.
func waitMetric(t *testing.T, a *stack.Agent, name string, want float64) {
	t.Helper()
	kube.Eventually(t, 10*time.Second, func() error {
		got, err := metric(t.Context(), a, name)
		if err == nil && got != want {
			err = fmt.Errorf("%s is %v, want %v", name, got, want)
		}
		return err
	})
}

// requests returns a user's requests to the member's API server since a time, one line each, except watches.
func requests(t *testing.T, user string, since time.Time) []string {
	t.Helper()
	events, err := env.member.AuditFor(user, since)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, e := range events {
		if e.Verb != "watch" {
			lines = append(lines, e.String())
		}
	}
	return lines
}

// lines returns the lines with an indent, each after a newline.
func lines(list []string) string { return "\n  " + strings.Join(list, "\n  ") }

// auditEvents returns a user's requests to the member's API server since a time.
func auditEvents(t *testing.T, user string, since time.Time) []kube.AuditEvent {
	t.Helper()
	events, err := env.member.AuditFor(user, since)
	if err != nil {
		t.Fatal(err)
	}
	return events
}
