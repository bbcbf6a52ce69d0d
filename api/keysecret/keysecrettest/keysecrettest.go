// Package keysecrettest has what tests of keys in a Secret need: a fake API server with the two objects as they are
// installed, and an update that conflicts.
package keysecrettest

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"

	"rollcall.dev/rollcall/api/keysecret"
)

// Cluster is a fake cluster with an empty Secret and an empty ConfigMap.
type Cluster struct {
	API *fake.Clientset
	// Log has the lines of Logger.
	Log bytes.Buffer

	t                            testing.TB
	namespace, secret, configMap string
}

// New returns a cluster with the two objects.
func New(t testing.TB, namespace, secret, configMap string) *Cluster {
	return &Cluster{t: t, namespace: namespace, secret: secret, configMap: configMap, API: fake.NewClientset(
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: secret}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: configMap}},
	)}
}

// Objects returns the clients and names of the two objects.
func (c *Cluster) Objects() keysecret.Objects {
	core := c.API.CoreV1()
	return keysecret.Objects{
		Secrets: core.Secrets(c.namespace), ConfigMaps: core.ConfigMaps(c.namespace), Namespace: c.namespace,
		Secret: c.secret, ConfigMap: c.configMap,
	}
}

// Logger returns a logger that writes to Log.
func (c *Cluster) Logger() *slog.Logger { return slog.New(slog.NewTextHandler(&c.Log, nil)) }

// Data returns the data of the Secret.
func (c *Cluster) Data() map[string][]byte {
	c.t.Helper()
	secret, err := c.API.CoreV1().Secrets(c.namespace).Get(context.Background(), c.secret, metav1.GetOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
	return secret.Data
}

// Published returns the data of the ConfigMap.
func (c *Cluster) Published() map[string]string {
	c.t.Helper()
	published, err := c.API.CoreV1().ConfigMaps(c.namespace).Get(context.Background(), c.configMap, metav1.GetOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
	return published.Data
}

// Put replaces the Secret by one with this data.
func (c *Cluster) Put(data map[string][]byte) { c.put(data, false) }

// PutImmutable replaces the Secret by an immutable one with this data.
func (c *Cluster) PutImmutable(data map[string][]byte) { c.put(data, true) }

func (c *Cluster) put(data map[string][]byte, immutable bool) {
	c.t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: c.secret}, Data: data, Immutable: &immutable}
	if _, err := c.API.CoreV1().Secrets(c.namespace).Update(context.Background(), secret, metav1.UpdateOptions{}); err != nil {
		c.t.Fatal(err)
	}
}

// PublishInstead replaces the ConfigMap by one with this data.
func (c *Cluster) PublishInstead(data map[string]string) {
	c.t.Helper()
	changed := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: c.configMap}, Data: data}
	if _, err := c.API.CoreV1().ConfigMaps(c.namespace).Update(context.Background(), changed, metav1.UpdateOptions{}); err != nil {
		c.t.Fatal(err)
	}
}

// Race returns a client of Secrets that calls other before the first update, which then conflicts.
func Race(secrets keysecret.Client[*corev1.Secret], other func()) keysecret.Client[*corev1.Secret] {
	return &racingSecrets{Client: secrets, other: other}
}

type racingSecrets struct {
	keysecret.Client[*corev1.Secret]
	other func()
}

func (r *racingSecrets) Update(ctx context.Context, secret *corev1.Secret, options metav1.UpdateOptions) (*corev1.Secret, error) {
	if other := r.other; other != nil {
		r.other = nil
		other()
		return nil, apierrors.NewConflict(schema.GroupResource{Resource: "secrets"}, secret.Name, errors.New("another process was faster"))
	}
	return r.Client.Update(ctx, secret, options)
}
