package v1alpha1_test

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"rollcall.dev/rollcall/api/v1alpha1"
	"rollcall.dev/rollcall/test/kube"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(kube.Main(m))
}

// hub is a real API server with the custom resources.
type hub struct {
	*kube.Cluster
	client client.Client
}

var installed sync.Once

func newHub(t *testing.T) *hub {
	t.Helper()
	cluster := kube.Shared(t, kube.Options{Name: "hub"})
	h := &hub{Cluster: cluster}
	installed.Do(func() {
		h.kubectl(t, "apply", "--server-side", "--validate=strict", "-k", "../../config/crd")
		h.kubectl(t, "wait", "--for=condition=Established", "--timeout=30s",
			"crd/clusteragents.rollcall.dev", "crd/clusterstatuses.rollcall.dev")
	})
	c, err := client.New(cluster.Config(), client.Options{Scheme: newScheme(t)})
	if err != nil {
		t.Fatal(err)
	}
	h.client = client.WithFieldValidation(c, "Strict")
	return h
}

func newScheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return scheme
}

func (h *hub) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	output, err := h.Kubectl(args...)
	if err != nil {
		t.Fatal(err)
	}
	return output
}

// create creates an object and deletes it after the test.
func (h *hub) create(t *testing.T, object client.Object) {
	t.Helper()
	if err := h.client.Create(t.Context(), object); err != nil {
		t.Fatalf("create %s: %v", object.GetName(), err)
	}
	h.deleteLater(t, object)
}

// deleteLater deletes an object after the test, if it exists.
func (h *hub) deleteLater(t *testing.T, object client.Object) {
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if err := client.IgnoreNotFound(h.client.Delete(ctx, object)); err != nil {
			t.Errorf("delete %s: %v", object.GetName(), err)
		}
	})
}

// mustDecode lists both kinds into the Go types, as informers do. One stored object that does not
// decode breaks the list for all.
func (h *hub) mustDecode(t *testing.T) {
	t.Helper()
	for _, list := range []client.ObjectList{&v1alpha1.ClusterAgentList{}, &v1alpha1.ClusterStatusList{}} {
		if err := h.client.List(t.Context(), list); err != nil {
			t.Fatalf("the typed list is broken: %v", err)
		}
	}
}

// object parses YAML.
func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.UnmarshalStrict([]byte(text), &u.Object); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	return u
}

// with returns a copy of an object in which a field, given by a path such as spec.clusterIPs[0], has another value.
// Parents of the field are created. The value missing removes the field.
func with(u *unstructured.Unstructured, path string, value any) *unstructured.Unstructured {
	if n, ok := value.(int); ok {
		value = int64(n) // the only integer that unstructured objects know
	}
	u = u.DeepCopy()
	u.Object = put(u.Object, steps(path), value).(map[string]any)
	return u
}

// missing is the value of a field that is not set.
type missing struct{}

func steps(path string) []string {
	return strings.Split(strings.ReplaceAll(path, "[", ".["), ".")
}

func put(into any, steps []string, value any) any {
	if len(steps) == 0 {
		return value
	}
	if index, ok := strings.CutPrefix(steps[0], "["); ok {
		return putItem(into, index, steps[1:], value)
	}
	fields, ok := into.(map[string]any)
	if !ok {
		fields = map[string]any{}
	}
	if _, ok := value.(missing); ok && len(steps) == 1 {
		delete(fields, steps[0])
		return fields
	}
	fields[steps[0]] = put(fields[steps[0]], steps[1:], value)
	return fields
}

func putItem(into any, index string, steps []string, value any) any {
	items, _ := into.([]any)
	i, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
	if err != nil {
		panic(err)
	}
	for len(items) <= i {
		items = append(items, nil)
	}
	items[i] = put(items[i], steps, value)
	return items
}
