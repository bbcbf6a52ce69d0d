package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/test/kube"
	"rollcall.dev/rollcall/test/stack"
)

// done is what came of an act. Time is when the API server, or the process, had taken
// it, in milliseconds since 1970.
type done struct {
	Time  int64   `json:"time"`
	Value float64 `json:"value,omitempty"`
	Words string  `json:"words,omitempty"`
}

// acts are what tests can have happen; of is a name or a number that some take.
func (w *world) acts() map[string]func(ctx context.Context, of string) (done, error) {
	return map[string]func(context.Context, string) (done, error){
		"scale":        w.scale,
		"pod":          w.addPod,
		"hostile-pod":  w.addHostilePod,
		"hostile-word": w.addHostileWord,
		"kill-agent":   func(context.Context, string) (done, error) { w.agent.Kill(); return done{}, nil },
		"start-agent":  func(ctx context.Context, _ string) (done, error) { return done{}, w.agent.Start(ctx) },
		"freeze-agent": func(context.Context, string) (done, error) { w.agent.Freeze(); return done{}, nil },
		"thaw-agent":   func(context.Context, string) (done, error) { w.agent.Signal(syscall.SIGCONT); return done{}, nil },
		"kill-master":  func(context.Context, string) (done, error) { w.master.Kill(); return done{}, nil },
		"start-master": func(ctx context.Context, _ string) (done, error) { return done{}, w.master.Start(ctx) },
		"suspend":      w.suspend,
		"unregister":   w.unregister,
		"sessions":     func(ctx context.Context, _ string) (done, error) { return w.sessions(ctx) },
		"reporting":    func(ctx context.Context, _ string) (done, error) { return w.reporting(ctx) },
		"let-in":       func(context.Context, string) (done, error) { w.late.door.letGo(); return done{}, nil },
		"give-usage":   func(context.Context, string) (done, error) { w.late.desk.letGo(); return done{}, nil },
		"play":         func(ctx context.Context, _ string) (done, error) { return done{}, w.playFleets(ctx) },
		"stranger":     func(context.Context, string) (done, error) { return w.stranger() },
		"require-auth": func(ctx context.Context, _ string) (done, error) { return w.requireAuth(ctx) },
	}
}

// control serves POST /ACT?of=….
func (w *world) control() http.Handler {
	mux := http.NewServeMux()
	for name, act := range w.acts() {
		mux.HandleFunc("POST /"+name, func(rw http.ResponseWriter, r *http.Request) {
			d, err := act(r.Context(), r.FormValue("of"))
			if err != nil {
				http.Error(rw, err.Error(), http.StatusInternalServerError)
				return
			}
			d.Time = time.Now().UnixMilli()
			rw.Header().Set("Content-Type", "application/json")
			// Nobody is left to tell of an error.
			_ = json.NewEncoder(rw).Encode(d)
		})
	}
	return mux
}

// scale is kubectl scale of the Deployment web.
func (w *world) scale(_ context.Context, replicas string) (done, error) {
	_, err := w.member.Kubectl("scale", "deployment", "web", "--namespace", kube.NamespaceShop, "--replicas", replicas)
	return done{}, err
}

// addPod makes a pod that needs no scheduler, so that nothing but Rollcall is between it
// and the page.
func (w *world) addPod(ctx context.Context, name string) (done, error) {
	return w.addPodOf(ctx, name, "registry.example/app:1")
}

// addHostilePod makes one whose name is as long as an API server takes it, and whose
// image would do harm where it is taken for markup.
func (w *world) addHostilePod(ctx context.Context, _ string) (done, error) {
	return w.addPodOf(ctx, strings.Repeat("a23456789.", 25)+"xyz", `<img src=x onerror="window.pwned=1">`)
}

func (w *world) addPodOf(ctx context.Context, name, image string) (done, error) {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: kube.NamespaceShop, Name: name},
		Spec:       corev1.PodSpec{NodeName: kube.NodeName(0), Containers: []corev1.Container{{Name: "main", Image: image}}},
	}
	_, err := w.member.Client().CoreV1().Pods(pod.Namespace).Create(ctx, pod, metav1.CreateOptions{})
	return done{}, err
}

// addHostileWord makes a pod that no scheduler has found a node for, for a reason that
// would do harm where it is taken for markup.
func (w *world) addHostileWord(ctx context.Context, _ string) (done, error) {
	pods := w.member.Client().CoreV1().Pods(kube.NamespaceShop)
	pod, err := pods.Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "zz-nowhere"},
		Spec:       corev1.PodSpec{SchedulerName: "nobody", Containers: []corev1.Container{{Name: "main", Image: "registry.example/app:1"}}},
	}, metav1.CreateOptions{})
	if err != nil {
		return done{}, err
	}
	pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, LastTransitionTime: metav1.Now(),
		Reason: corev1.PodReasonUnschedulable, Message: "<script>window.pwned=1</script>",
	})
	_, err = pods.UpdateStatus(ctx, pod, metav1.UpdateOptions{})
	return done{}, err
}

// suspend sets spec.suspend of the member's ClusterAgent, to true or false.
func (w *world) suspend(_ context.Context, to string) (done, error) {
	_, err := w.hub.Kubectl("patch", "clusteragent", memberName, "--type=merge", "--patch", `{"spec":{"suspend":`+to+`}}`)
	return done{}, err
}

// unregister has no cluster left.
func (w *world) unregister(ctx context.Context, _ string) (done, error) {
	return done{}, w.hub.Client().Discovery().RESTClient().Delete().AbsPath(clusterAgents).Do(ctx).Error()
}

// stranger is a token of a service account that may see nothing.
func (w *world) stranger() (done, error) {
	const account = "stranger"
	if _, err := w.hub.Kubectl("create", "serviceaccount", account, "--namespace", stack.Namespace); err != nil {
		return done{}, err
	}
	token, err := w.hub.Kubectl("create", "token", account, "--namespace", stack.Namespace)
	return done{Words: strings.TrimSpace(token)}, err
}

// sessions is how many the agent has granted since its start, by its own account.
func (w *world) sessions(ctx context.Context) (done, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.agent.Metrics+"/metrics", nil)
	if err != nil {
		return done{}, err
	}
	response, err := w.agent.HTTP.Do(request)
	if err != nil {
		return done{}, err
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil {
		return done{}, err
	}
	return metric(page, "rollcall_agent_sessions_started_total")
}

// reporting is how many clusters the master has a session with, by its own account.
func (w *world) reporting(ctx context.Context) (done, error) {
	answer, err := w.master.Get(ctx, "/metrics")
	if err != nil {
		return done{}, err
	}
	return metric(answer.Body, `rollcall_sessions{phase="Reporting"}`)
}

// metric is a value of a page of metrics, by its name with its labels.
func metric(page []byte, name string) (done, error) {
	for line := range strings.Lines(string(page)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return done{Value: n}, err
		}
	}
	return done{}, fmt.Errorf("there is no metric %s", name)
}

// requireAuth starts the master anew with --auth kubernetes, and gives a token of a
// service account that may see everything.
func (w *world) requireAuth(ctx context.Context) (done, error) {
	const account = "page"
	for _, args := range [][]string{
		{"create", "serviceaccount", account, "--namespace", stack.Namespace},
		{"create", "clusterrole", account, "--verb=get,list,watch", "--resource=clusterstatuses.rollcall.dev,clusterstatuses.rollcall.dev/details"},
		{"create", "clusterrolebinding", account, "--clusterrole=" + account, "--serviceaccount=" + stack.Namespace + ":" + account},
	} {
		if _, err := w.hub.Kubectl(args...); err != nil {
			return done{}, err
		}
	}
	token, err := w.hub.Kubectl("create", "token", account, "--namespace", stack.Namespace)
	if err != nil {
		return done{}, err
	}
	if err := w.master.Stop(ctx); err != nil {
		return done{}, err
	}
	return done{Words: strings.TrimSpace(token)}, w.master.Restart(ctx, "--auth", "kubernetes")
}
