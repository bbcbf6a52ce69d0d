package join

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"rollcall.dev/rollcall/api/v1alpha1"
)

// RotateOptions are the settings of RotateKey.
type RotateOptions struct {
	// Name is the name of the cluster.
	Name        string
	Hub, Member *Cluster
	// Wait limits the time for the agent to start and to be connected.
	Wait time.Duration
	// Out gets a line for each step.
	Out io.Writer
}

// rotating is one run of RotateKey.
type rotating struct {
	RotateOptions
	run   run
	hub   hub
	agent *v1alpha1.ClusterAgent
	// old and pin are the pins of the key before and after the rotation.
	old, pin string
}

// RotateKey replaces the agent's key by one that the agent makes, and has the hub accept that key only. An agent that
// dials the hub stays connected. A dialed one is stopped for some seconds.
func RotateKey(ctx context.Context, o RotateOptions) error {
	r := &rotating{RotateOptions: o, run: run{out: o.Out}, hub: hub{Cluster: o.Hub}}
	err := r.run.execute(ctx, []step{{"registration", r.checkRegistration}, {"cluster", r.checkMember}})
	if err != nil {
		return err
	}
	steps := []step{
		{"old key", r.removeKey},
		{"new key", r.awaitKey},
		{"registration", r.accept},
		{"link", r.awaitConnection},
	}
	if r.reverse() {
		steps = []step{
			{"next key", r.requestKey},
			{"registration", r.acceptBoth},
			{"new key", r.awaitSwitch},
			{"link", r.awaitConnection},
			{"old key", r.refuseOld},
		}
	}
	if err := r.run.execute(ctx, steps); err != nil {
		return err
	}
	fmt.Fprintf(o.Out, "\n%s has a new key. The hub does not accept the old one any more.\n", o.Name)
	return nil
}

func (r *rotating) checkRegistration(ctx context.Context) (result, error) {
	var err error
	if r.agent, err = r.hub.agent(ctx, r.Name); err != nil {
		return result{}, err
	}
	if r.agent == nil {
		return result{}, &Fault{"there is no ClusterAgent " + r.Name + " on the hub", "join the cluster: kubectl rollcall join " + r.Name}
	}
	if len(acceptedPins(r.agent)) == 0 {
		return result{}, &Fault{fmt.Sprintf("the hub knows the agent of %s by %s, and not by the agent's own key", r.Name, acceptedBy(r.agent)), "renew the agent's certificate with the tool that has issued it, or join the cluster again"}
	}
	rights := []right{{Verb: "patch", Group: agentResource.Group, Resource: agentResource.Resource}}
	return result{text: "key accepted by " + acceptedBy(r.agent)}, r.Hub.needRights(ctx, "on the hub", rights)
}

func (r *rotating) checkMember(ctx context.Context) (result, error) {
	uid, err := r.Member.uid(ctx)
	if err != nil {
		return result{}, err
	}
	if _, err := checkName([]v1alpha1.ClusterAgent{*r.agent}, r.Name, uid); err != nil {
		return result{}, &Fault{fmt.Sprintf("the cluster of the context %s, with the UID %s, is not %s", r.Member.Context, uid, r.Name), "set --context to the context of " + r.Name}
	}
	published, err := r.Member.configMap(ctx, Namespace, agentPinMap)
	if err != nil {
		return result{}, err
	}
	if r.old = published["pin"]; r.old == "" {
		return result{}, &Fault{"the agent has published no key in the ConfigMap " + agentPinMap, "repair it by: kubectl rollcall join " + r.Name}
	}
	rights := []right{{Verb: "patch", Resource: "secrets", Namespace: Namespace}, {Verb: "list", Resource: "pods", Namespace: Namespace}}
	if !r.reverse() {
		rights = append(rights, right{Verb: "patch", Group: "apps", Resource: "deployments", Namespace: Namespace})
	}
	return result{text: fmt.Sprintf("UID %s, old key %s", uid, r.old)}, r.Member.needRights(ctx, "in the cluster", rights)
}

// removeKey stops the agent, empties the Secret with its key, and starts it again. A running agent would store its key
// again.
func (r *rotating) removeKey(ctx context.Context) (found result, err error) {
	if err := r.scale(ctx, 0); err != nil {
		return result{}, err
	}
	defer func() {
		// The agent is started again in any case.
		starting, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
		defer cancel()
		err = errors.Join(err, r.scale(starting, 1))
	}()
	waiting, cancel := context.WithTimeout(ctx, r.Wait)
	defer cancel()
	err = poll(waiting, func(ctx context.Context) (bool, error) {
		pods, err := r.Member.Client.CoreV1().Pods(Namespace).List(ctx, metav1.ListOptions{LabelSelector: agentSelector})
		if err != nil {
			return false, r.Member.explain("read the agent's pods", err)
		}
		return !slices.ContainsFunc(pods.Items, isRunning), nil
	})
	if err != nil && waiting.Err() != nil {
		return result{}, &Fault{"the agent did not stop in time", "see why by: kubectl -n " + Namespace + " describe pods, and run the command again"}
	}
	if err != nil {
		return result{}, err
	}
	if err := r.patchSecret(ctx, `{"data":null}`); err != nil {
		return result{}, err
	}
	return resultf("removed from the cluster; the agent is started again")
}

// patchSecret patches the Secret with the agent's key, without reading it.
func (r *rotating) patchSecret(ctx context.Context, patch string) error {
	secret := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": agentKeySecret, "namespace": Namespace}}}
	_, err := r.Member.resource(secret).Patch(ctx, agentKeySecret, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: FieldManager})
	if apierrors.IsNotFound(err) {
		return &Fault{"the agent does not keep its key in the Secret " + agentKeySecret, "replace the key where it is kept, and add its pin to spec.tls.pinnedSHA256"}
	}
	if err != nil {
		return r.Member.explain("patch the Secret "+agentKeySecret, err)
	}
	return nil
}

func isRunning(pod corev1.Pod) bool {
	return pod.Status.Phase != corev1.PodFailed && pod.Status.Phase != corev1.PodSucceeded
}

// scale sets the replicas of the agent's Deployment.
func (r *rotating) scale(ctx context.Context, replicas int) error {
	patch := fmt.Sprintf(`{"spec":{"replicas":%d}}`, replicas)
	_, err := r.Member.Client.AppsV1().Deployments(Namespace).Patch(ctx, agentName, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: FieldManager})
	if err != nil {
		return r.Member.explain(fmt.Sprintf("set the replicas of the agent to %d", replicas), err)
	}
	return nil
}

// awaitKey waits until the agent has published the pin of its new key.
func (r *rotating) awaitKey(ctx context.Context) (result, error) {
	waiting, cancel := context.WithTimeout(ctx, r.Wait)
	defer cancel()
	_, err := r.Member.awaitAgent(waiting, func(ctx context.Context, c *Cluster, _ *corev1.Pod) (bool, error) {
		published, err := c.configMap(ctx, Namespace, agentPinMap)
		r.pin = published["pin"]
		return r.pin != "" && r.pin != r.old, err
	})
	if err != nil {
		return result{}, err
	}
	return resultf("SHA-256 %s, made by the agent", r.pin)
}

// accept has the hub accept the new key only.
func (r *rotating) accept(ctx context.Context) (result, error) {
	if err := r.setPins(ctx, []string{r.pin}); err != nil {
		return result{}, err
	}
	return resultf("the hub accepts the new key only")
}

// setPins sets the pins in the ClusterAgent.
func (r *rotating) setPins(ctx context.Context, pins []string) error {
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"tls": map[string]any{"pinnedSHA256": pins}}})
	if err != nil {
		return err
	}
	if _, err = r.Hub.Dynamic.Resource(agentResource).Patch(ctx, r.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: FieldManager}); err != nil {
		return r.Hub.explain("set the pins in the ClusterAgent "+r.Name, err)
	}
	return nil
}

// awaitConnection waits until the agent is connected with its new key.
func (r *rotating) awaitConnection(ctx context.Context) (result, error) {
	j := &joining{Options: Options{Name: r.Name, Hub: r.Hub, Member: r.Member, Wait: r.Wait, DryRun: DryRunNone, Endpoint: r.agent.Spec.Endpoint}, hub: r.hub, began: time.Now()}
	return j.awaitConnection(ctx)
}
