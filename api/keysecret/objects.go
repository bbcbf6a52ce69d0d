package keysecret

import (
	"context"
	"fmt"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
)

// syncTimeout limits the requests of one Sync.
const syncTimeout = 15 * time.Second

// Client gets and updates objects of one kind by name. The clients of client-go implement it.
type Client[T any] interface {
	Get(ctx context.Context, name string, options metav1.GetOptions) (T, error)
	Update(ctx context.Context, object T, options metav1.UpdateOptions) (T, error)
}

// Objects are the Secret and the ConfigMap of one key.
type Objects struct {
	Secrets    Client[*corev1.Secret]
	ConfigMaps Client[*corev1.ConfigMap]
	// Namespace is used in messages.
	Namespace string
	// Secret and ConfigMap are the names of the objects.
	Secret, ConfigMap string
	// These are used in messages. Content is what the Secret contains, such as "a CA of the masters".
	// Process is "master" or "agent". Tree installs both objects, Role grants the rights. Files are the
	// flags with which the objects are not needed. Replaced, which may be empty, is what to do after the
	// content was replaced.
	Content, Process, Tree, Role, Files, Replaced string
}

// Fill returns what the objects should contain, given the data of the Secret: the entries of the Secret
// that change, none if it stays as it is, and the entries of the ConfigMap. Its errors say why the data
// is invalid, and must not contain parts of it.
type Fill func(data map[string][]byte) (changed map[string][]byte, public map[string]string, err error)

// Sync reads both objects and writes what fill returns. It calls fill again if another process
// has updated one of the objects in the meantime.
func (o *Objects) Sync(ctx context.Context, fill Fill) error {
	ctx, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	return retry.RetryOnConflict(retry.DefaultRetry, func() error { return o.syncOnce(ctx, fill) })
}

// syncOnce reads the ConfigMap first, so that its update conflicts if a process that has read a newer
// Secret was faster.
func (o *Objects) syncOnce(ctx context.Context, fill Fill) error {
	published, err := o.ConfigMaps.Get(ctx, o.ConfigMap, metav1.GetOptions{})
	if err != nil {
		return o.explain("ConfigMap", o.ConfigMap, err)
	}
	secret, err := o.Secrets.Get(ctx, o.Secret, metav1.GetOptions{})
	if err != nil {
		return o.explain("Secret", o.Secret, err)
	}
	changed, public, err := fill(secret.Data)
	if err != nil {
		return fmt.Errorf("the Secret %[1]s/%[2]s does not contain %[3]s: %[4]w. It is not overwritten: restore it, or if its content is not needed, have a new one created by `kubectl -n %[1]s patch secret %[2]s --type=merge -p '{\"data\":null}'`%[5]s",
			o.Namespace, o.Secret, o.Content, err, o.Replaced)
	}
	if err := o.updateSecret(ctx, secret, changed); err != nil {
		return err
	}
	return o.publish(ctx, published, public)
}

// updateSecret stores the changed entries in the Secret.
func (o *Objects) updateSecret(ctx context.Context, secret *corev1.Secret, changed map[string][]byte) error {
	if len(changed) == 0 {
		return nil
	}
	if isTrue(secret.Immutable) {
		return o.errImmutable("Secret", o.Secret)
	}
	secret = secret.DeepCopy()
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	maps.Copy(secret.Data, changed)
	_, err := o.Secrets.Update(ctx, secret, metav1.UpdateOptions{})
	return o.explain("Secret", o.Secret, err)
}

// publish stores the public entries in the ConfigMap, unless it has them.
func (o *Objects) publish(ctx context.Context, published *corev1.ConfigMap, public map[string]string) error {
	desired := maps.Clone(published.Data)
	if desired == nil {
		desired = map[string]string{}
	}
	maps.Copy(desired, public)
	if maps.Equal(desired, published.Data) {
		return nil
	}
	if isTrue(published.Immutable) {
		return o.errImmutable("ConfigMap", o.ConfigMap)
	}
	published = published.DeepCopy()
	published.Data = desired
	_, err := o.ConfigMaps.Update(ctx, published, metav1.UpdateOptions{})
	return o.explain("ConfigMap", o.ConfigMap, err)
}

func isTrue(b *bool) bool { return b != nil && *b }

// errImmutable returns the error for an object that would have to be updated, and cannot be.
func (o *Objects) errImmutable(kind, name string) error {
	return fmt.Errorf("the %[1]s %[2]s/%[3]s is immutable, so that the %[4]s cannot update it: delete it, and apply %[5]s, which creates it empty", kind, o.Namespace, name, o.Process, o.Tree)
}

// explain adds to an error of the API server what to do about it. Conflicts stay detectable.
func (o *Objects) explain(kind, name string, err error) error {
	object := fmt.Sprintf("the %s %s/%s", kind, o.Namespace, name)
	switch {
	case err == nil:
		return nil
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%s does not exist: apply %s, which creates it empty, or set %s: %w", object, o.Tree, o.Files, err)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("the %s needs get and update on %s, which the Role %s grants: %w", o.Process, object, o.Role, err)
	}
	return fmt.Errorf("read or write %s: %w", object, err)
}
