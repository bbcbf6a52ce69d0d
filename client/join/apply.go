package join

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"
)

// FieldManager is the manager of the fields that this package applies.
const FieldManager = "kubectl-rollcall"

// goneTimeout is the time in which a namespace that is being deleted has to be gone.
const goneTimeout = time.Minute

// DryRun says how much of a run is only tried.
type DryRun string

// Values of DryRun, as those of kubectl's --dry-run.
const (
	// DryRunNone changes the clusters.
	DryRunNone DryRun = "none"
	// DryRunClient checks, and sends no change.
	DryRunClient DryRun = "client"
	// DryRunServer checks, and sends changes that the API servers only validate.
	DryRunServer DryRun = "server"
)

// applier applies objects to a cluster.
type applier struct {
	run     *run
	cluster *Cluster
	dryRun  DryRun
	// force takes fields over from other managers.
	force bool
	// applied has the objects for -o yaml.
	applied []*unstructured.Unstructured
	// noNamespace is set if the namespace does not exist, so that a dry run cannot send its objects.
	noNamespace bool
}

// outcome counts what applying objects has changed.
type outcome struct{ created, changed, unchanged int }

func (o outcome) String() string {
	return fmt.Sprintf("%s: %d created, %d changed, %d unchanged", plural(o.created+o.changed+o.unchanged, "object"), o.created, o.changed, o.unchanged)
}

// resource returns the client for the resource of an object. Its responses have metadata only, so that the content of
// Secrets stays in the cluster.
func (c *Cluster) resource(object *unstructured.Unstructured) metadata.ResourceInterface {
	gvr, _ := meta.UnsafeGuessKindToResource(object.GroupVersionKind())
	if namespace := object.GetNamespace(); namespace != "" {
		return c.Metadata.Resource(gvr).Namespace(namespace)
	}
	return c.Metadata.Resource(gvr)
}

func describe(object *unstructured.Unstructured) string {
	if ns := object.GetNamespace(); ns != "" {
		return fmt.Sprintf("%s %s/%s", object.GetKind(), ns, object.GetName())
	}
	return fmt.Sprintf("%s %s", object.GetKind(), object.GetName())
}

// applyAll applies objects in order.
func (a *applier) applyAll(ctx context.Context, objects []*unstructured.Unstructured) (outcome, error) {
	var sum outcome
	for _, object := range objects {
		if err := a.apply(ctx, object, &sum); err != nil {
			return sum, err
		}
	}
	return sum, nil
}

// apply applies an object, and counts the result. An existing namespace is left as it is.
func (a *applier) apply(ctx context.Context, object *unstructured.Unstructured, sum *outcome) error {
	resource := a.cluster.resource(object)
	existing, err := resource.Get(ctx, object.GetName(), metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		existing = nil
	case err != nil:
		return a.cluster.explain("read the "+describe(object), err)
	}
	isNamespace := object.GetKind() == "Namespace"
	if isNamespace && existing != nil && existing.DeletionTimestamp != nil && a.dryRun == DryRunNone {
		if err := a.awaitGone(ctx, object); err != nil {
			return err
		}
		existing = nil
	}
	if isNamespace && existing != nil {
		sum.unchanged++
		return nil
	}
	a.applied = append(a.applied, object)
	var after *metav1.PartialObjectMetadata
	if a.sends(object) {
		if after, err = a.send(ctx, resource, object); err != nil {
			return err
		}
	}
	if isNamespace && a.dryRun != DryRunNone {
		a.noNamespace = true
	}
	a.record(object, existing, after, sum)
	return nil
}

// awaitGone waits until an object that is being deleted does not exist any more.
func (a *applier) awaitGone(ctx context.Context, object *unstructured.Unstructured) error {
	waiting, cancel := context.WithTimeout(ctx, goneTimeout)
	defer cancel()
	err := poll(waiting, func(ctx context.Context) (bool, error) {
		_, err := a.cluster.resource(object).Get(ctx, object.GetName(), metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return false, a.cluster.explain("read the "+describe(object), err)
	})
	if err != nil && waiting.Err() != nil && ctx.Err() == nil {
		return &Fault{fmt.Sprintf("the %s is still being deleted", describe(object)), fmt.Sprintf("see what it waits for (kubectl get namespace %s -o yaml), and run the command again", object.GetName())}
	}
	return err
}

// sends reports whether the object is sent at all.
func (a *applier) sends(object *unstructured.Unstructured) bool {
	return a.dryRun != DryRunClient && (!a.noNamespace || object.GetNamespace() == "")
}

// send sends an object to the API server.
func (a *applier) send(ctx context.Context, resource metadata.ResourceInterface, object *unstructured.Unstructured) (*metav1.PartialObjectMetadata, error) {
	body, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("encode the %s: %w", describe(object), err)
	}
	options := metav1.PatchOptions{FieldManager: FieldManager, FieldValidation: metav1.FieldValidationStrict, Force: &a.force}
	if a.dryRun == DryRunServer {
		options.DryRun = []string{metav1.DryRunAll}
	}
	after, err := resource.Patch(ctx, object.GetName(), types.ApplyPatchType, body, options)
	switch {
	case apierrors.IsConflict(err):
		return nil, &Fault{
			fmt.Sprintf("apply the %s: %v", describe(object), err),
			"change it with the tool that has installed it, or set --force-conflicts to take the fields over",
		}
	case err != nil:
		return nil, a.cluster.explain("apply the "+describe(object), err)
	}
	return after, nil
}

// record counts what was changed, and remembers how to undo it.
func (a *applier) record(object *unstructured.Unstructured, existing, after *metav1.PartialObjectMetadata, sum *outcome) {
	switch {
	case existing == nil:
		sum.created++
		if a.dryRun == DryRunNone {
			a.run.created = append(a.run.created, removal{describe(object), func(ctx context.Context) error { return a.cluster.remove(ctx, object, after.UID) }})
		}
	case after != nil && existing.GetResourceVersion() == after.GetResourceVersion():
		sum.unchanged++
	default:
		sum.changed++
		if a.dryRun == DryRunNone {
			a.run.changed = append(a.run.changed, describe(object))
		}
	}
}

// remove deletes an object. If uid is not empty, it leaves another object of the same name.
func (c *Cluster) remove(ctx context.Context, object *unstructured.Unstructured, uid types.UID) error {
	options := metav1.DeleteOptions{PropagationPolicy: new(metav1.DeletePropagationBackground)}
	if uid != "" {
		options.Preconditions = &metav1.Preconditions{UID: &uid}
	}
	err := c.resource(object).Delete(ctx, object.GetName(), options)
	if apierrors.IsNotFound(err) {
		return nil
	}
	return c.explain("delete the "+describe(object), err)
}

// isManaged reports whether this package has applied an object.
func isManaged(object *metav1.PartialObjectMetadata) bool {
	return slices.ContainsFunc(object.ManagedFields, func(f metav1.ManagedFieldsEntry) bool { return f.Manager == FieldManager })
}
