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

// result is the result of an action. Time is the time at which the action was done, in milliseconds
// since 1970.
type result struct {
	Time  int64   `json:"time"`
	Value float64 `json:"value,omitempty"`
	Text  string  `json:"text,omitempty"`
}

// actions returns the actions of the control API, by name. Some have an argument.
func (env *environment) actions() map[string]func(ctx context.Context, argument string) (result, error) {
	return map[string]func(context.Context, string) (result, error){
		"scale":              env.scale,
		"pod":                env.addPod,
		"hostile-pod":        env.addHostilePod,
		"hostile-message":    env.addHostileMessage,
		"kill-agent":         func(context.Context, string) (result, error) { env.agent.Kill(); return result{}, nil },
		"start-agent":        func(ctx context.Context, _ string) (result, error) { return result{}, env.agent.Start(ctx) },
		"freeze-agent":       func(context.Context, string) (result, error) { env.agent.Freeze(); return result{}, nil },
		"thaw-agent":         func(context.Context, string) (result, error) { env.agent.Signal(syscall.SIGCONT); return result{}, nil },
		"kill-master":        func(context.Context, string) (result, error) { env.master.Kill(); return result{}, nil },
		"start-master":       func(ctx context.Context, _ string) (result, error) { return result{}, env.master.Start(ctx) },
		"suspend":            env.suspend,
		"unregister":         env.unregister,
		"sessions":           func(ctx context.Context, _ string) (result, error) { return env.startedSessions(ctx) },
		"reporting":          func(ctx context.Context, _ string) (result, error) { return env.reportingClusters(ctx) },
		"accept-connections": func(context.Context, string) (result, error) { env.delayed.tcpProxy.open(); return result{}, nil },
		"serve-usage":        func(context.Context, string) (result, error) { env.delayed.apiProxy.open(); return result{}, nil },
		"start-fleets":       func(ctx context.Context, _ string) (result, error) { return result{}, env.startFleets(ctx) },
		"unprivileged-token": func(context.Context, string) (result, error) { return env.unprivilegedToken() },
		"require-auth":       func(ctx context.Context, _ string) (result, error) { return env.requireAuth(ctx) },
	}
}

// control returns the handler of the control API: POST /ACTION?argument=… runs an action and
// responds with its result.
func (env *environment) control() http.Handler {
	mux := http.NewServeMux()
	for name, action := range env.actions() {
		mux.HandleFunc("POST /"+name, func(rw http.ResponseWriter, r *http.Request) {
			res, err := action(r.Context(), r.FormValue("argument"))
			if err != nil {
				http.Error(rw, err.Error(), http.StatusInternalServerError)
				return
			}
			res.Time = time.Now().UnixMilli()
			rw.Header().Set("Content-Type", "application/json")
			// Encode fails only if the client has disconnected.
			_ = json.NewEncoder(rw).Encode(res)
		})
	}
	return mux
}

// scale runs kubectl scale on the Deployment web.
func (env *environment) scale(_ context.Context, replicas string) (result, error) {
	_, err := env.member.Kubectl("scale", "deployment", "web", "--namespace", kube.NamespaceShop, "--replicas", replicas)
	return result{}, err
}

// addPod creates a pod that is already assigned to a node, so that a test measures only the
// latency of Rollcall.
func (env *environment) addPod(ctx context.Context, name string) (result, error) {
	return env.createPod(ctx, name, "registry.example/app:1")
}

// addHostilePod creates a pod with the longest name that the API server accepts, and an
// image that is a script if it becomes markup.
func (env *environment) addHostilePod(ctx context.Context, _ string) (result, error) {
	return env.createPod(ctx, strings.Repeat("a23456789.", 25)+"xyz", `<img src=x onerror="window.pwned=1">`)
}

// createPod creates a pod on the first node.
func (env *environment) createPod(ctx context.Context, name, image string) (result, error) {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: kube.NamespaceShop, Name: name},
		Spec:       corev1.PodSpec{NodeName: kube.NodeName(0), Containers: []corev1.Container{{Name: "main", Image: image}}},
	}
	_, err := env.member.Client().CoreV1().Pods(pod.Namespace).Create(ctx, pod, metav1.CreateOptions{})
	return result{}, err
}

// addHostileMessage creates an unschedulable pod, with a message that is a script if it
// becomes markup.
func (env *environment) addHostileMessage(ctx context.Context, _ string) (result, error) {
	pods := env.member.Client().CoreV1().Pods(kube.NamespaceShop)
	pod, err := pods.Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "zz-nowhere"},
		Spec:       corev1.PodSpec{SchedulerName: "none", Containers: []corev1.Container{{Name: "main", Image: "registry.example/app:1"}}},
	}, metav1.CreateOptions{})
	if err != nil {
		return result{}, err
	}
	pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, LastTransitionTime: metav1.Now(),
		Reason: corev1.PodReasonUnschedulable, Message: "<script>window.pwned=1</script>",
	})
	_, err = pods.UpdateStatus(ctx, pod, metav1.UpdateOptions{})
	return result{}, err
}

// suspend sets spec.suspend of the member's ClusterAgent to "true" or "false".
func (env *environment) suspend(_ context.Context, to string) (result, error) {
	_, err := env.hub.Kubectl("patch", "clusteragent", memberName, "--type=merge", "--patch", `{"spec":{"suspend":`+to+`}}`)
	return result{}, err
}

// unregister deletes all ClusterAgents.
func (env *environment) unregister(ctx context.Context, _ string) (result, error) {
	return result{}, env.hub.Client().Discovery().RESTClient().Delete().AbsPath(clusterAgents).Do(ctx).Error()
}

// unprivilegedToken returns a token of a new service account without permissions.
func (env *environment) unprivilegedToken() (result, error) {
	const account = "unprivileged"
	if _, err := env.hub.Kubectl("create", "serviceaccount", account, "--namespace", stack.Namespace); err != nil {
		return result{}, err
	}
	token, err := env.hub.Kubectl("create", "token", account, "--namespace", stack.Namespace)
	return result{Text: strings.TrimSpace(token)}, err
}

// startedSessions returns the number of sessions that the agent has started, from its metrics.
func (env *environment) startedSessions(ctx context.Context) (result, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, env.agent.MetricsURL+"/metrics", nil)
	if err != nil {
		return result{}, err
	}
	response, err := env.agent.HTTP.Do(request)
	if err != nil {
		return result{}, err
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil {
		return result{}, err
	}
	return metric(page, "rollcall_agent_sessions_started_total")
}

// reportingClusters returns the number of clusters that report to the master, from its metrics.
func (env *environment) reportingClusters(ctx context.Context) (result, error) {
	response, err := env.master.Get(ctx, "/metrics")
	if err != nil {
		return result{}, err
	}
	return metric(response.Body, `rollcall_sessions{phase="Reporting"}`)
}

// metric returns the value of a metric by its name with labels, from a text exposition.
func metric(page []byte, name string) (result, error) {
	for line := range strings.Lines(string(page)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return result{Value: n}, err
		}
	}
	return result{}, fmt.Errorf("metric %s not found", name)
}

// requireAuth restarts the master with --auth kubernetes, and returns a token of a service
// account that may read all clusters.
func (env *environment) requireAuth(ctx context.Context) (result, error) {
	const account = "page"
	for _, args := range [][]string{
		{"create", "serviceaccount", account, "--namespace", stack.Namespace},
		{"create", "clusterrole", account, "--verb=get,list,watch", "--resource=clusterstatuses.rollcall.dev,clusterstatuses.rollcall.dev/details"},
		{"create", "clusterrolebinding", account, "--clusterrole=" + account, "--serviceaccount=" + stack.Namespace + ":" + account},
	} {
		if _, err := env.hub.Kubectl(args...); err != nil {
			return result{}, err
		}
	}
	token, err := env.hub.Kubectl("create", "token", account, "--namespace", stack.Namespace)
	if err != nil {
		return result{}, err
	}
	if err := env.master.Stop(ctx); err != nil {
		return result{}, err
	}
	return result{Text: strings.TrimSpace(token)}, env.master.Restart(ctx, "--auth", "kubernetes")
}
