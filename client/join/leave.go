package join

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"rollcall.dev/rollcall/api/v1alpha1"
)

// forgetTimeout is the time in which the masters have to end a deleted cluster.
const forgetTimeout = 10 * time.Second

// ErrUnknownCluster is the error of an Ask for a cluster that the masters do not know.
var ErrUnknownCluster = errors.New("the masters do not know the cluster")

// LeaveOptions are the settings of Leave.
type LeaveOptions struct {
	// Name is the name of the cluster.
	Name string
	Hub  *Cluster
	// Member is the cluster that leaves. If it is nil, its objects stay.
	Member *Cluster
	DryRun DryRun
	Out    io.Writer
	// Ask asks the masters for the cluster's state. Nil means not to ask.
	Ask func(ctx context.Context, cluster string) (Answer, error)
}

// leaving is one run of Leave.
type leaving struct {
	LeaveOptions
	run run
	hub hub
	// unreachable is set if the member does not answer.
	unreachable error
}

// Leave deletes the registration of a cluster, which cuts its link, and then removes the agent. It also works if the
// member does not exist any more. It prints what stays behind.
func Leave(ctx context.Context, o LeaveOptions) error {
	l := &leaving{LeaveOptions: o, run: run{out: o.Out}, hub: hub{Cluster: o.Hub}}
	steps := []step{
		{"cluster", l.checkMember},
		{"registration", l.unregister},
		{"link", l.confirmCut},
		{"agent", l.removeAgent},
	}
	if err := l.run.execute(ctx, steps); err != nil {
		return err
	}
	if o.DryRun != DryRunNone {
		fmt.Fprintf(o.Out, "\nNothing was changed (--dry-run=%s).\n", o.DryRun)
	}
	return nil
}

// checkMember makes sure that the member is the cluster of the name, before anything is deleted.
func (l *leaving) checkMember(ctx context.Context) (result, error) {
	agent, err := l.hub.agent(ctx, l.Name)
	if err != nil || l.Member == nil {
		return result{}, err
	}
	uid, err := l.Member.uid(ctx)
	if err != nil {
		l.unreachable = err
		return result{warnings: []string{err.Error()}}, nil //nolint:nilerr // a warning
	}
	if agent != nil {
		if _, err := checkName([]v1alpha1.ClusterAgent{*agent}, l.Name, uid); err != nil {
			return result{}, &Fault{fmt.Sprintf("the cluster of the context %s, with the UID %s, is not %s", l.Member.Context, uid, l.Name), "set --context to the context of " + l.Name}
		}
	}
	installed, err := l.Member.configMap(ctx, Namespace, agentNameMap)
	if err != nil {
		return result{}, err
	}
	if other := installed[agentNameKey]; other != "" && other != l.Name {
		return result{}, &Fault{fmt.Sprintf("the agent in the cluster of the context %s is that of %s", l.Member.Context, other), "set --context to the context of " + l.Name}
	}
	return resultf("%s, UID %s", l.Member.Host, uid)
}

// unregister deletes the ClusterAgent.
func (l *leaving) unregister(ctx context.Context) (result, error) {
	object := registration{name: l.Name}.object()
	existing, err := l.Hub.resource(object).Get(ctx, l.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return resultf("there is no ClusterAgent %s on the hub", l.Name)
	case err != nil:
		return result{}, l.Hub.explain("read the ClusterAgent "+l.Name, err)
	case l.DryRun != DryRunNone:
		return resultf("would delete the ClusterAgent %s", l.Name)
	}
	if err := l.Hub.remove(ctx, object, existing.UID); err != nil {
		return result{}, err
	}
	return resultf("deleted the ClusterAgent %s: the masters cut its link and forget its data", l.Name)
}

// confirmCut asks the masters whether they have forgotten the cluster.
func (l *leaving) confirmCut(ctx context.Context) (result, error) {
	if l.Ask == nil || l.DryRun != DryRunNone {
		return result{}, nil
	}
	began := time.Now()
	waiting, cancel := context.WithTimeout(ctx, forgetTimeout)
	defer cancel()
	var last error
	err := poll(waiting, func(ctx context.Context) (bool, error) {
		_, last = l.Ask(ctx, l.Name)
		return errors.Is(last, ErrUnknownCluster), nil
	})
	switch {
	case err == nil:
		return resultf("the masters do not know %s any more, after %s", l.Name, seconds(time.Since(began)))
	case ctx.Err() != nil:
		return result{}, ctx.Err()
	case last == nil:
		return result{}, &Fault{fmt.Sprintf("the masters still answer for %s after %s", l.Name, forgetTimeout), "check that a master is ready: kubectl -n " + Namespace + " get pods"}
	}
	return result{warnings: []string{fmt.Sprintf("it could not be confirmed with the masters: %v", last)}}, nil
}

// removeAgent deletes what Join has applied in the member, and says what stays.
func (l *leaving) removeAgent(ctx context.Context) (result, error) {
	switch {
	case l.Member == nil:
		return result{warnings: []string{fmt.Sprintf("the objects in the cluster stay, and the agent tries to reach the hub in vain. Remove them by: kubectl rollcall leave %s --context CONTEXT", l.Name)}}, nil
	case l.unreachable != nil:
		return result{warnings: []string{fmt.Sprintf("the cluster cannot be reached, so these stay in it if it still exists: the namespace %s, and the ClusterRoles and ClusterRoleBindings %s*. When it is back, run the same command again", Namespace, agentName)}}, nil //nolint:nilerr // a warning
	}
	objects, err := agentObjects(agentSettings{cluster: l.Name, expose: corev1.ServiceTypeClusterIP, joinToken: "none"})
	if err != nil {
		return result{}, err
	}
	slices.Reverse(objects)
	var removed int
	var stays []string
	for _, object := range objects {
		existing, err := l.Member.resource(object).Get(ctx, object.GetName(), metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			continue
		case err != nil:
			return result{}, l.Member.explain("read the "+describe(object), err)
		}
		if reason, err := l.keep(ctx, object, existing); err != nil {
			return result{}, err
		} else if reason != "" {
			stays = append(stays, fmt.Sprintf("the %s stays: %s", describe(object), reason))
			continue
		}
		if l.DryRun == DryRunNone {
			if err := l.Member.remove(ctx, object, existing.UID); err != nil {
				return result{}, err
			}
		}
		removed++
	}
	text := fmt.Sprintf("removed %s, with the agent's key", plural(removed, "object"))
	switch {
	case removed == 0:
		text = "nothing of `kubectl rollcall join` is in the cluster"
	case l.DryRun != DryRunNone:
		text = "would remove " + plural(removed, "object")
	}
	return result{text: text, warnings: stays}, nil
}

// keep returns why an object is not removed, or "" if it is.
func (l *leaving) keep(ctx context.Context, object *unstructured.Unstructured, existing *metav1.PartialObjectMetadata) (string, error) {
	if !isManaged(existing) || existing.Labels[managedByLabel] != FieldManager {
		return "it was created by " + creators(existing), nil
	}
	if object.GetKind() != "Namespace" {
		return "", nil
	}
	pods, err := l.Member.Client.CoreV1().Pods(Namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name!=" + agentName, Limit: 1})
	if err != nil {
		return "", l.Member.explain("list the pods in "+Namespace, err)
	}
	if len(pods.Items) > 0 {
		return fmt.Sprintf("it has other pods, such as %s", pods.Items[0].Name), nil
	}
	return "", nil
}

// creators returns the field managers of an object.
func creators(object *metav1.PartialObjectMetadata) string {
	var names []string
	for _, f := range object.ManagedFields {
		if f.Manager != FieldManager && f.Subresource == "" && !slices.Contains(names, f.Manager) {
			names = append(names, f.Manager)
		}
	}
	if len(names) == 0 {
		return "something else"
	}
	return strings.Join(names, ", ")
}
