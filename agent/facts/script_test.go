package facts_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"sigs.k8s.io/yaml"

	"rollcall.dev/rollcall/agent/informer"
	"rollcall.dev/rollcall/api/state"
)

var update = flag.Bool("update", false, "rewrite the expected tables in testdata")

// TestScripts runs testdata/*.txtar: objects in, tables out. The commands are
//
//	apply FILE...      add or update the objects in these files
//	delete KIND NAME   delete an object; NAME is namespace/name, or the name of a node
//	relist FILE...     replace all objects by those in these files
//	at TIME            set the time of day, as in 12:04:30; initially it is 12:00:00
//	restart            restart the agent
//	nodes, addresses, pods, containers, ports, services, volumes, problems
//	                   print a table; compare it with: cmp stdout FILE
//
// After each step the facts are compared with those of a new Tracker.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata",
		UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			env.Values["harness"] = newHarness()
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"apply":      applyCmd,
			"delete":     deleteCmd,
			"relist":     relistCmd,
			"nodes":      tableCmd(nodesTable),
			"pods":       tableCmd(podsTable),
			"containers": tableCmd(containersTable),
			"ports":      tableCmd(portsTable),
			"services":   tableCmd(servicesTable),
			"addresses":  tableCmd(addressesTable),
			"volumes":    tableCmd(volumesTable),
			"problems":   tableCmd(problemsTable),
			"at":         atCmd,
			"restart":    restartCmd,
		},
	})
}

func applyCmd(ts *testscript.TestScript, _ bool, files []string) {
	h := ts.Value("harness").(*harness)
	for _, in := range readInputs(ts, files) {
		ts.Check(h.set(in))
		ts.Check(h.check())
	}
}

func atCmd(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: at TIME")
	}
	at, err := time.Parse(time.TimeOnly, args[0])
	ts.Check(err)
	ts.Value("harness").(*harness).now = noon - 12*60*60 + state.Time(at.Hour()*3600+at.Minute()*60+at.Second())
}

func restartCmd(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Check(ts.Value("harness").(*harness).restart())
}

func relistCmd(ts *testscript.TestScript, _ bool, files []string) {
	h := ts.Value("harness").(*harness)
	ts.Check(h.relist(readInputs(ts, files)))
	ts.Check(h.check())
}

func deleteCmd(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: delete KIND NAME")
	}
	n := objectName{kind: args[0], name: args[1]}
	if namespace, rest, ok := strings.Cut(args[1], "/"); ok {
		n.namespace, n.name = namespace, rest
	}
	h := ts.Value("harness").(*harness)
	if _, ok := h.objects[n]; !ok {
		ts.Fatalf("no %s %s exists", n.kind, args[1])
	}
	ts.Check(h.remove(n))
	ts.Check(h.check())
}

func tableCmd(table func(*harness) string) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, _ []string) {
		fmt.Fprint(ts.Stdout(), table(ts.Value("harness").(*harness)))
	}
}

// readInputs reads files of YAML objects without apiVersion, and returns their inputs.
func readInputs(ts *testscript.TestScript, files []string) []any {
	var inputs []any
	for _, file := range files {
		for _, document := range strings.Split(ts.ReadFile(file), "\n---\n") {
			in, err := inputOf([]byte(document))
			if err != nil {
				ts.Fatalf("%s: %v", file, err)
			}
			inputs = append(inputs, in)
		}
	}
	return inputs
}

// inputOf returns the input of one YAML object.
func inputOf(document []byte) (any, error) {
	var kind struct{ Kind string }
	if err := yaml.Unmarshal(document, &kind); err != nil {
		return nil, err
	}
	switch kind.Kind {
	case "Node":
		return decode(document, informer.NodeInput)
	case "Pod":
		return decode(document, informer.PodInput)
	case "Service":
		return decode(document, informer.ServiceInput)
	case "EndpointSlice":
		return decode(document, informer.SliceInput)
	case "PersistentVolumeClaim":
		return decode(document, informer.ClaimInput)
	case "PersistentVolume":
		return decode(document, informer.VolumeInput)
	}
	return nil, fmt.Errorf("unexpected kind %q", kind.Kind)
}

type kubernetesObject interface {
	corev1.Node | corev1.Pod | corev1.Service | discoveryv1.EndpointSlice | corev1.PersistentVolumeClaim | corev1.PersistentVolume
}

// decode decodes a YAML object and converts it to its input.
func decode[O kubernetesObject, I any](document []byte, input func(*O) *I) (*I, error) {
	var object O
	if err := yaml.UnmarshalStrict(document, &object); err != nil {
		return nil, err
	}
	return input(&object), nil
}
