package join

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

func TestAddressOfTheService(t *testing.T) {
	port := corev1.ServicePort{Name: "https", Port: 443, NodePort: 30443}
	node := func(name string, kind corev1.NodeAddressType, address string, ready corev1.ConditionStatus) *corev1.Node {
		return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: corev1.NodeStatus{
			Addresses: []corev1.NodeAddress{{Type: kind, Address: address}}, Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}},
		}}
	}
	internal, external := node("a", corev1.NodeInternalIP, "10.0.0.1", corev1.ConditionTrue), node("b", corev1.NodeExternalIP, "2001:db8::1", corev1.ConditionTrue)
	down := node("c", corev1.NodeExternalIP, "203.0.113.1", corev1.ConditionFalse)
	for want, tc := range map[string]struct {
		kind    corev1.ServiceType
		ingress []corev1.LoadBalancerIngress
		nodes   []*corev1.Node
	}{
		"wss://lb.example:443":                            {corev1.ServiceTypeLoadBalancer, []corev1.LoadBalancerIngress{{Hostname: "lb.example"}}, nil},
		"wss://203.0.113.9:443":                           {corev1.ServiceTypeLoadBalancer, []corev1.LoadBalancerIngress{{IP: "203.0.113.9"}}, nil},
		"wss://10.0.0.1:30443":                            {corev1.ServiceTypeNodePort, nil, []*corev1.Node{internal, down}},
		"wss://[2001:db8::1]:30443":                       {corev1.ServiceTypeNodePort, nil, []*corev1.Node{internal, external, down}},
		"of type LoadBalancer without an outside address": {corev1.ServiceTypeLoadBalancer, nil, nil},
		"of type NodePort without an outside address":     {corev1.ServiceTypeNodePort, nil, []*corev1.Node{down}},
		"of type ClusterIP without an outside address":    {corev1.ServiceTypeClusterIP, nil, nil},
	} {
		api := fake.NewClientset(&corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: masterService}, Spec: corev1.ServiceSpec{Type: tc.kind, Ports: []corev1.ServicePort{port}},
			Status: corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{Ingress: tc.ingress}},
		})
		for _, n := range tc.nodes {
			if err := api.Tracker().Add(n); err != nil {
				t.Fatal(err)
			}
		}
		h := &hub{&Cluster{Client: api}, Namespace}
		address, _, err := h.serviceAddress(t.Context())
		if address != want && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("got %s, %v, want %s", address, err, want)
		}
	}
}

func TestServerNameOfTheHub(t *testing.T) {
	published := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: publishedHubMap}, Data: map[string]string{addressKey: "wss://hub.example:443", serverNameKey: "masters.example"}}
	h := &hub{&Cluster{Client: fake.NewClientset(published)}, Namespace}
	for _, tc := range []struct{ given, name, ca, wantAddress, wantName string }{
		{"", "", "", "wss://hub.example:443", "masters.example"},
		{"", "given.example", "CA", "wss://hub.example:443", "given.example"},
		{"wss://other:1", "", "CA", "wss://other:1", "rollcall-master.rollcall-system.svc"},
		{"wss://other:1", "", "", "wss://other:1", ""},
	} {
		facts := hubFacts{ca: tc.ca}
		if err := h.findAddress(t.Context(), tc.given, tc.name, &facts); err != nil || facts.address != tc.wantAddress || facts.serverName != tc.wantName {
			t.Errorf("%+v: got %+v, %v", tc, facts, err)
		}
	}
}

func TestPodState(t *testing.T) {
	waiting := func(reason, message string) *corev1.Pod {
		return &corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{{
			Image: "agent:v1", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}},
		}}}}
	}
	unschedulable := &corev1.Pod{Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "0/1 nodes are available"}}}}
	for _, tc := range []struct {
		pod    *corev1.Pod
		want   string
		failed bool
	}{
		{nil, "there is no pod yet", false},
		{unschedulable, "cannot be scheduled: 0/1 nodes are available", false},
		{waiting("ContainerCreating", ""), "the container waits: ContainerCreating", false},
		{waiting("ImagePullBackOff", "not found"), "the image agent:v1 cannot be pulled: not found", true},
		{waiting("CrashLoopBackOff", ""), "the agent ends again and again", true},
		{&corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodRunning}}, "the pod is Running, but not ready", false},
	} {
		if got, failed := podState(tc.pod); !strings.Contains(got, tc.want) || failed != tc.failed {
			t.Errorf("got %q, %t, want %q, %t", got, failed, tc.want, tc.failed)
		}
	}
}

func TestClockSkew(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	var a, b Cluster
	if _, known := a.skew(&b); known {
		t.Error("the skew is known without an answer")
	}
	a.clock.observe(now.Add(time.Minute).Format(http.TimeFormat), now, now.Add(time.Second))
	b.clock.observe(now.Format(http.TimeFormat), now, now.Add(time.Second))
	b.clock.observe("yesterday", now, now)
	skew, known := a.skew(&b)
	if !known || skew != time.Minute || skewText(skew) != "differ by 1m0s" || skewText(-time.Second) != "agree within 2 s" {
		t.Errorf("got %s, %t", skew, known)
	}
}

func TestErrorInTheLog(t *testing.T) {
	for line, want := range map[string]string{
		`time=x level=WARN msg="no link to the hub; trying again" error="dial wss://hub: \"no\" route"`: `dial wss://hub: "no" route`,
		`time=x level=ERROR msg=failed secret=a error=EOF`:                                              "EOF",
		`time=x level=INFO msg="linked to the hub" address=hub`:                                         "",
	} {
		got := ""
		if found := logError.FindStringSubmatch(line); found != nil {
			got = unquote(found[1])
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", line, got, want)
		}
	}
}

// TestFailedStep checks what is printed, and that everything is undone in reverse order.
func TestFailedStep(t *testing.T) {
	var out strings.Builder
	var undone []string
	r := run{out: &out, changed: []string{"Deployment x"}}
	remove := func(what string, err error) removal {
		return removal{what, func(ctx context.Context) error { undone = append(undone, what); return errors.Join(err, ctx.Err()) }}
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := r.execute(ctx, []step{
		{"first", func(context.Context) (result, error) {
			r.created = append(r.created, remove("a", nil), remove("b", errors.New("forbidden")))
			return result{text: "done", warnings: []string{"careful"}}, nil
		}},
		{"second", func(context.Context) (result, error) {
			cancel()
			return result{}, &Fault{"it broke", "mend it\x1b[31m"}
		}},
		{"third", func(context.Context) (result, error) {
			t.Error("a step after a failed one was run")
			return result{}, nil
		}},
	})
	want := `✓ first          done
! first          careful
✗ second         it broke
                 → mend it�[31m
! undo           b stays: forbidden
↩ undo           removed what this run had created: 1 object
! undo           these existed before and stay as this run has changed them: Deployment x
`
	if !errors.Is(err, ErrFailed) || strings.Join(undone, "") != "ba" {
		t.Errorf("got %v, undone %v", err, undone)
	}
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
}
