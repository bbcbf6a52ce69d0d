package v1alpha1_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"rollcall.dev/rollcall/api/v1alpha1"
)

const configDir = "../../config/"

func TestKustomizationsBuild(t *testing.T) {
	h := newHub(t)
	for _, tree := range []string{"crd", "rbac", "rbac/master", "rbac/agent", "rbac/viewer", "master", "agent", "samples"} {
		if h.kubectl(t, "kustomize", configDir+tree) == "" {
			t.Errorf("%s is empty", tree)
		}
	}
}

func TestMasterAndAgentInstall(t *testing.T) {
	h := newHub(t)
	for _, side := range []string{"master", "agent"} {
		// Warnings would come from Pod Security, which the namespace enforces as restricted.
		printed := h.kubectl(t, "apply", "--server-side", "--validate=strict", "--warnings-as-errors", "-k", configDir+side)
		if !strings.Contains(printed, "deployment.apps/rollcall-"+side) {
			t.Errorf("%s: no deployment among:\n%s", side, printed)
		}
	}
}

func TestSamplesApply(t *testing.T) {
	h := newHub(t)
	h.kubectl(t, "apply", "--validate=strict", "-k", configDir+"samples")
	t.Cleanup(func() { h.kubectl(t, "delete", "-k", configDir+"samples") })
	var agents v1alpha1.ClusterAgentList
	if err := h.client.List(t.Context(), &agents); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, agent := range agents.Items {
		names[agent.Name] = true
	}
	if !names["prod-eu"] || !names["prod-us"] || !names["edge-1"] {
		t.Errorf("want the samples prod-eu, prod-us and edge-1, got %v", names)
	}
}

// TestSamplesSetEveryField looks for each field in all samples, since some fields cannot be combined.
func TestSamplesSetEveryField(t *testing.T) {
	var samples []map[string]any
	for _, name := range []string{"full", "reverse", "join", "identity"} {
		content, err := os.ReadFile(configDir + "samples/rollcall_v1alpha1_clusteragent_" + name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		samples = append(samples, object(t, string(content)).Object)
	}
	for _, f := range fieldsOf(t, "ClusterAgent", "spec") {
		if !slices.ContainsFunc(samples, func(s map[string]any) bool { return has(s, steps(f.path)) }) {
			t.Errorf("no sample has %s", f.path)
		}
	}
}

func has(value any, steps []string) bool {
	switch {
	case len(steps) == 0:
		return true
	case steps[0] == "[0]":
		items, ok := value.([]any)
		return ok && len(items) > 0 && has(items[0], steps[1:])
	}
	fields, ok := value.(map[string]any)
	if !ok {
		return false
	}
	value, ok = fields[steps[0]]
	return ok && has(value, steps[1:])
}

func TestRBAC(t *testing.T) {
	h := newHub(t)
	h.kubectl(t, "apply", "--server-side", "-k", configDir+"master")
	h.kubectl(t, "apply", "--server-side", "-k", configDir+"agent")
	for _, c := range []struct {
		side, asked string
		may         bool
	}{
		{"agent", "list nodes", true},
		{"agent", "watch pods -A", true},
		{"agent", "watch services -A", true},
		{"agent", "list persistentvolumeclaims -A", true},
		{"agent", "watch endpointslices.discovery.k8s.io -A", true},
		{"agent", "get namespaces/kube-system", true},
		{"agent", "get namespaces/default", false},
		{"agent", "list namespaces", false},
		{"agent", "get secrets -A", false},
		{"agent", "list configmaps -A", false},
		{"agent", "get pods --subresource=log -A", false},
		{"agent", "create pods -A", false},
		{"agent", "patch nodes", false},
		{"master", "watch clusteragents.rollcall.dev", true},
		{"master", "patch clusteragents.rollcall.dev --subresource=status", true},
		{"master", "patch clusteragents.rollcall.dev", false},
		{"master", "create clusteragents.rollcall.dev", false},
		{"master", "delete clusteragents.rollcall.dev", false},
		{"master", "create clusterstatuses.rollcall.dev", true},
		{"master", "patch clusterstatuses.rollcall.dev --subresource=status", true},
		{"master", "delete clusterstatuses.rollcall.dev", true},
		{"master", "create tokenreviews.authentication.k8s.io", true},
		{"master", "create subjectaccessreviews.authorization.k8s.io", true},
		{"master", "get configmaps/extension-apiserver-authentication -n kube-system", true},
		{"master", "update leases.coordination.k8s.io -n rollcall-system", true},
		{"master", "update leases.coordination.k8s.io -n default", false},
		{"master", "list nodes", false},
		{"master", "get secrets -n rollcall-system", false},
		{"master", "get secrets/rollcall-master-ca -n rollcall-system", true},
		{"master", "update secrets/rollcall-master-ca -n rollcall-system", true},
		{"master", "get secrets/rollcall-master-signing-key -n rollcall-system", true},
		{"master", "update secrets/rollcall-master-signing-key -n rollcall-system", true},
		{"master", "get secrets/rollcall-agent-tls -n rollcall-system", false},
		{"master", "get secrets/rollcall-master-ca -n default", false},
		{"master", "list secrets -n rollcall-system", false},
		{"master", "create secrets -n rollcall-system", false},
		{"master", "delete secrets/rollcall-master-ca -n rollcall-system", false},
		{"master", "update configmaps/rollcall-master-ca -n rollcall-system", true},
		{"master", "get configmaps -n rollcall-system", false},
		{"master", "create configmaps -n rollcall-system", false},
		// The agent has the rights of any authenticated user.
		{"agent", "get configmaps/rollcall-master-ca -n rollcall-system", true},
		{"agent", "get secrets/rollcall-master-ca -n rollcall-system", false},
	} {
		t.Run(c.side+" "+c.asked, func(t *testing.T) {
			args := append([]string{"auth", "can-i", "--as=system:serviceaccount:rollcall-system:rollcall-" + c.side}, strings.Fields(c.asked)...)
			answer, _ := h.Kubectl(args...) // exits 1 with the answer no
			if want := map[bool]string{true: "yes", false: "no"}[c.may]; strings.TrimSpace(answer) != want {
				t.Errorf("got %q, want %s", strings.TrimSpace(answer), want)
			}
		})
	}
}

func TestProjectListsBothKinds(t *testing.T) {
	content, err := os.ReadFile("../../PROJECT")
	if err != nil {
		t.Fatal(err)
	}
	var project struct {
		Layout    []string
		Domain    string
		Repo      string
		Resources []struct{ Group, Domain, Version, Kind, Path string }
	}
	if err := yaml.Unmarshal(content, &project); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	for _, r := range project.Resources {
		kinds[r.Kind] = r.Group+"."+r.Domain == v1alpha1.GroupVersion.Group && r.Version == v1alpha1.GroupVersion.Version &&
			r.Path == project.Repo+"/api/v1alpha1"
	}
	if !kinds["ClusterAgent"] || !kinds["ClusterStatus"] || project.Layout[0] != "go.kubebuilder.io/v4" {
		t.Errorf("PROJECT does not fit the types: %+v", project)
	}
}
