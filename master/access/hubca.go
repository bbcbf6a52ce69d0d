package access

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/tools/cache"
)

// Every API server publishes its client CA in this ConfigMap of kube-system.
const (
	caConfigMap = "extension-apiserver-authentication"
	caKey       = "client-ca-file"
)

// hubCA holds the client certificate authorities of the hub. It watches the ConfigMap in which
// the hub publishes them.
type hubCA struct {
	log      *slog.Logger
	informer cache.SharedInformer

	mu         sync.Mutex
	roots      *x509.CertPool // nil if no certificates are accepted
	lastLogged string         // the last error that was logged
}

func newHubCA(hub cache.Getter, log *slog.Logger) *hubCA {
	configMaps := cache.NewListWatchFromClient(hub, "configmaps", metav1.NamespaceSystem, fields.OneTermEqualSelector("metadata.name", caConfigMap))
	return &hubCA{log: log, informer: cache.NewSharedInformer(configMaps, &corev1.ConfigMap{}, 0)}
}

// run watches the ConfigMap until ctx ends.
func (h *hubCA) run(ctx context.Context) {
	// These calls fail only if the informer is running.
	_ = h.informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) { h.logOnce(err) })
	_, _ = h.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    h.update,
		UpdateFunc: func(_, now any) { h.update(now) },
		DeleteFunc: func(any) { h.setRoots(nil) },
	})
	h.informer.RunWithContext(ctx)
}

// update reads the authorities from a ConfigMap. It keeps the previous ones if they are invalid.
func (h *hubCA) update(object any) {
	configMap, ok := object.(*corev1.ConfigMap)
	if !ok {
		return
	}
	bundle := configMap.Data[caKey]
	if bundle == "" {
		h.setRoots(nil)
		return
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(bundle)) {
		h.logOnce(errors.New(caKey + " contains no certificate"))
		return
	}
	h.setRoots(roots)
}

func (h *hubCA) setRoots(roots *x509.CertPool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.roots, h.lastLogged = roots, ""
}

// logOnce logs an error, unless it is the same as the last one.
func (h *hubCA) logOnce(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lastLogged == err.Error() {
		return
	}
	h.lastLogged = err.Error()
	h.log.Warn("failed to read the client CA of the hub; the previous authorities, if any, stay in use", "configmap", metav1.NamespaceSystem+"/"+caConfigMap, "error", err)
}

func (h *hubCA) verifyOptions() (x509.VerifyOptions, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return clientVerifyOptions(h.roots), h.roots != nil
}

func (h *hubCA) pending() error {
	if h.informer.HasSynced() {
		return nil
	}
	return errors.New("the client CA of the hub has not been read yet; see the master's log if this persists")
}

// clientVerifyOptions returns the options to verify client certificates signed by roots.
func clientVerifyOptions(roots *x509.CertPool) x509.VerifyOptions {
	return x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
}
