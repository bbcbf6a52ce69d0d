package charts

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"rollcall.dev/rollcall/test/golden"
)

// agentFlags are the required values of the agent's chart.
var agentFlags = []string{"--set", "clusterName=prod-eu", "--set-file", "masterPublicKey=testdata/signing.key.pub"}

// template renders a chart.
func template(t *testing.T, name string, flags ...string) string {
	t.Helper()
	return mustHelm(t, "", append([]string{"template", name, chart(name), "--namespace", namespace}, flags...)...)
}

// parse returns the objects of a rendered chart or tree, by kind and name.
func parse(t *testing.T, rendered string) map[string]*unstructured.Unstructured {
	t.Helper()
	all := map[string]*unstructured.Unstructured{}
	for _, document := range strings.Split("\n"+rendered, "\n---") {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
			t.Fatalf("%v\n%s", err, document)
		}
		if len(object.Object) == 0 {
			continue
		}
		key := object.GetKind() + " " + object.GetName()
		if all[key] != nil {
			t.Errorf("got %s twice", key)
		}
		all[key] = object
	}
	return all
}

// tree renders a kustomize tree under config/.
func tree(t *testing.T, name string) map[string]*unstructured.Unstructured {
	t.Helper()
	rendered, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(repository, "config", name))
	if err != nil {
		t.Fatal(err)
	}
	content, err := rendered.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, string(content))
}

// withoutMetadata returns an object's content as JSON, with its name and namespace only of the metadata, and without the
// labels of kustomize and Helm in pods.
func withoutMetadata(t *testing.T, object *unstructured.Unstructured) any {
	t.Helper()
	object = object.DeepCopy()
	object.Object["metadata"] = map[string]any{"name": object.GetName(), "namespace": object.GetNamespace()}
	// An empty Secret has a type in some serializations only.
	delete(object.Object, "type")
	if kind, _, _ := unstructured.NestedString(object.Object, "spec", "type"); kind == "ClusterIP" {
		unstructured.RemoveNestedField(object.Object, "spec", "type") // the default of Services
	}
	content, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	var result any
	if err := json.Unmarshal(content, &result); err != nil {
		t.Fatal(err)
	}
	return result
}

// TestChartsAgreeWithTheTrees compares the charts with default values with the kustomize trees. Each object of a tree is in
// the chart, with the same content except for labels, and the chart has no other object.
func TestChartsAgreeWithTheTrees(t *testing.T) {
	for name, c := range map[string]struct {
		tree  string
		flags []string
		// differ are fields that may differ: the cluster's name and the master's key are values of the chart.
		differ func(pod map[string]any)
	}{
		"rollcall":       {"master", nil, func(map[string]any) {}},
		"rollcall-agent": {"agent", agentFlags, sameAgentArguments},
	} {
		got, want := parse(t, template(t, name, c.flags...)), tree(t, c.tree)
		delete(want, "Namespace rollcall-system") // helm install --create-namespace
		delete(got, "ConfigMap rollcall-agent-master-public-key")
		delete(got, "Lease rollcall-master") // of a tree, the namespace is deleted with it
		for key, object := range want {
			if got[key] == nil {
				t.Errorf("%s: the chart has no %s, the tree %s has", name, key, c.tree)
				continue
			}
			g, w := withoutMetadata(t, got[key]), withoutMetadata(t, object)
			if object.GetKind() == "Deployment" {
				for _, o := range []any{g, w} {
					c.differ(podSpec(o))
				}
				delete(podSpec(g), "nodeSelector") // the trees work on any node that can run the images
			}
			if !reflect.DeepEqual(g, w) {
				gotYAML, _ := yaml.Marshal(g)
				wantYAML, _ := yaml.Marshal(w)
				t.Errorf("%s: %s: got\n%s\nwant, as in the tree,\n%s", name, key, gotYAML, wantYAML)
			}
		}
		for key := range got {
			if want[key] == nil {
				t.Errorf("%s: the chart has %s, the tree %s does not", name, key, c.tree)
			}
		}
	}
}

// podSpec returns the pod's spec of a Deployment, without labels of its template.
func podSpec(deployment any) map[string]any {
	template := deployment.(map[string]any)["spec"].(map[string]any)["template"].(map[string]any)
	delete(template, "metadata")
	return template["spec"].(map[string]any)
}

// sameAgentArguments replaces what the agent's tree takes from ConfigMaps of the user, and the chart from values.
func sameAgentArguments(pod map[string]any) {
	container := pod["containers"].([]any)[0].(map[string]any)
	container["env"] = slices.DeleteFunc(container["env"].([]any), func(e any) bool { return e.(map[string]any)["name"] == "CLUSTER_NAME" })
	for i, arg := range container["args"].([]any) {
		container["args"].([]any)[i] = strings.ReplaceAll(arg.(string), "$(CLUSTER_NAME)", "prod-eu")
	}
	volume := pod["volumes"].([]any)[0].(map[string]any)
	volume["configMap"] = "of the user"
}

// TestChartsRender renders the charts with the values in testdata, and compares them with golden files.
func TestChartsRender(t *testing.T) {
	files, err := filepath.Glob("testdata/*.values.yaml")
	if err != nil || len(files) < 6 {
		t.Fatalf("got %d files, %v", len(files), err)
	}
	for _, file := range files {
		title := strings.TrimSuffix(filepath.Base(file), ".values.yaml")
		name, _, _ := strings.Cut(title, ".")
		t.Run(title, func(t *testing.T) {
			flags := []string{"-f", file}
			if name == "rollcall" {
				flags = append(flags, "--set", "crds.install=false") // they are compared with config/crd
			}
			rendered := template(t, name, flags...)
			for key, object := range parse(t, rendered) {
				if strings.HasSuffix(key, "-dashboard") {
					continue
				}
				if object.GetLabels()["app.kubernetes.io/part-of"] != "rollcall" {
					t.Errorf("%s has labels %v, want those of the chart", key, object.GetLabels())
				}
			}
			golden.Check(t, strings.TrimSuffix(file, ".values.yaml")+".golden.yaml", canonical(t, rendered), *update)
		})
	}
}

// canonical returns the objects in the order of kind and name, without comments and without the content of dashboards.
func canonical(t *testing.T, rendered string) string {
	t.Helper()
	all := parse(t, rendered)
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if strings.HasSuffix(key, "-dashboard") {
			delete(all[key].Object, "data")
		}
		content, err := yaml.Marshal(all[key].Object)
		if err != nil {
			t.Fatal(err)
		}
		text.WriteString("---\n" + string(content))
	}
	return text.String()
}

func TestDashboardsAreThoseOfConfig(t *testing.T) {
	want, err := filepath.Glob(filepath.Join(repository, "config/grafana/dashboards/*.json"))
	if err != nil || len(want) == 0 {
		t.Fatal(err)
	}
	got := parse(t, template(t, "rollcall", "--set", "grafana.enabled=true"))
	for _, file := range want {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(file)
		dashboard := got["ConfigMap "+strings.TrimSuffix(name, ".json")+"-dashboard"]
		if dashboard == nil {
			t.Errorf("got no ConfigMap for %s", name)
			continue
		}
		if data, _, _ := unstructured.NestedString(dashboard.Object, "data", name); strings.TrimSpace(data) != strings.TrimSpace(string(content)) {
			t.Errorf("%s: got other content than that of config/grafana", name)
		}
	}
}

func TestMemoryLimitOfTheProcess(t *testing.T) {
	for limit, want := range map[string]string{"64Mi": "57MiB", "1Gi": "921MiB", "2Gi": "1843MiB", "65536Ki": "57MiB", "500M": "429MiB", "134217728": "115MiB"} {
		if got := template(t, "rollcall", "--set-string", "resources.limits.memory="+limit, "--show-only", "templates/deployment.yaml"); !strings.Contains(got, "name: GOMEMLIMIT, value: "+want+"}") {
			t.Errorf("limit %s: got\n%s\nwant GOMEMLIMIT=%s", limit, got, want)
		}
	}
}

// TestInvalidValuesAreRefused checks that errors say which value is invalid, and what to do.
func TestInvalidValuesAreRefused(t *testing.T) {
	for _, c := range []struct {
		chart, want string
		flags       []string
	}{
		{"rollcall", "additional properties 'replica' not allowed", []string{"--set", "replica=2"}},
		{"rollcall", "/dial/allow/0", []string{"--set", "dial.allow={everywhere}"}},
		{"rollcall", "/resources/limits/memory", []string{"--set", "resources.limits.memory=lots"}},
		{"rollcall", "ingress.host is required", []string{"--set", "ingress.enabled=true"}},
		{"rollcall", "httpRoute.parentRefs is required", []string{"--set", "httpRoute.enabled=true"}},
		{"rollcall-agent", "clusterName is required", nil},
		{"rollcall-agent", "/clusterName", []string{"--set", "clusterName=Prod EU"}},
		{"rollcall-agent", "get configmap rollcall-master-public-key", []string{"--set", "clusterName=prod-eu"}},
		{"rollcall-agent", "/masterPublicKey", []string{"--set", "clusterName=prod-eu", "--set", "masterPublicKey=-----BEGIN PRIVATE KEY-----"}},
		{"rollcall-agent", "/hub/url", append(agentFlags, "--set", "hub.url=http://hub.example")},
		{"rollcall-agent", "/hub/pin", append(agentFlags, "--set", "hub.url=wss://hub.example,hub.pin=ab")},
		{"rollcall-agent", "/hub/ca", append(agentFlags, "--set", "hub.url=wss://hub.example", "--set", "hub.ca=-----BEGIN PRIVATE KEY-----")},
		{"rollcall-agent", "hub.pin, hub.ca and hub.serverName require hub.url", append(agentFlags, "--set", "hub.ca=x")},
		{"rollcall-agent", "hub.proxyURL requires hub.url", append(agentFlags, "--set", "hub.proxyURL=http://proxy.example")},
		{"rollcall-agent", "remove one of them", append(agentFlags, "--set", "hub.joinToken=x,hub.joinTokenSecret=y")},
		{"rollcall-agent", "clusterName is required", []string{"--set", "hub.joinTokenSecret=y"}},
		{"rollcall-agent", "/channelBinding", append(agentFlags, "--set", "channelBinding=maybe")},
	} {
		_, stderr, err := helm(t, "", append([]string{"template", "x", chart(c.chart)}, c.flags...)...)
		if err == nil || !strings.Contains(stderr, c.want) {
			t.Errorf("%s %q: got error %v: %s; want one with %s", c.chart, c.flags, err, stderr, c.want)
		}
	}
}

func TestChartsPassLint(t *testing.T) {
	for name, flags := range map[string][]string{"rollcall": nil, "rollcall-agent": agentFlags} {
		stdout := mustHelm(t, "", append([]string{"lint", "--strict", chart(name)}, flags...)...)
		if strings.Contains(stdout, "[WARNING]") || strings.Contains(stdout, "[ERROR]") {
			t.Errorf("%s: %s", name, stdout)
		}
	}
}

// TestVersionOfCharts checks that the charts have the version of the images.
func TestVersionOfCharts(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(repository, "VERSION"))
	if err != nil {
		t.Fatal(err)
	}
	version := strings.TrimSpace(string(content))
	for _, name := range []string{"rollcall", "rollcall-agent"} {
		var got struct{ Name, Version, AppVersion string }
		if err := yaml.Unmarshal([]byte(mustHelm(t, "", "show", "chart", chart(name))), &got); err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("{%s %s %s}", name, strings.TrimPrefix(version, "v"), version); fmt.Sprint(got) != want {
			t.Errorf("got chart %v, want %s", got, want)
		}
	}
}

// TestChartHasTheAlertRules compares the chart's rules with those of config/prometheus.
func TestChartHasTheAlertRules(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(repository, "config/prometheus/rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]any
	if err := yaml.Unmarshal(content, &want); err != nil {
		t.Fatal(err)
	}
	got := parse(t, template(t, "rollcall", "--set", "prometheus.rules.enabled=true"))["PrometheusRule rollcall"]
	if got == nil || !reflect.DeepEqual(got.Object["spec"], any(want)) {
		t.Errorf("got rules %v, want those of config/prometheus", got)
	}
}
