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

// Where every API server publishes by whom it knows its clients.
const (
	caConfigMap = "extension-apiserver-authentication"
	caKey       = "client-ca-file"
)

// hubCA is the authorities whose client certificates the hub itself accepts. It follows
// the ConfigMap where the hub publishes them.
type hubCA struct {
	log      *slog.Logger
	informer cache.SharedInformer

	mu    sync.Mutex
	roots *x509.CertPool // nil: nobody's certificates are accepted
	told  string         // the trouble that was logged last
}

func newHubCA(hub cache.Getter, log *slog.Logger) *hubCA {
	configMaps := cache.NewListWatchFromClient(hub, "configmaps", metav1.NamespaceSystem, fields.OneTermEqualSelector("metadata.name", caConfigMap))
	return &hubCA{log: log, informer: cache.NewSharedInformer(configMaps, &corev1.ConfigMap{}, 0)}
}

// run follows the ConfigMap until ctx ends.
func (h *hubCA) run(ctx context.Context) {
	// Neither fails before the informer runs.
	_ = h.informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) { h.trouble(err) })
	_, _ = h.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    h.take,
		UpdateFunc: func(_, now any) { h.take(now) },
		DeleteFunc: func(any) { h.trust(nil) },
	})
	h.informer.RunWithContext(ctx)
}

// take trusts what a ConfigMap says. One that cannot be read changes nothing.
func (h *hubCA) take(object any) {
	configMap, ok := object.(*corev1.ConfigMap)
	if !ok {
		return
	}
	bundle := configMap.Data[caKey]
	if bundle == "" {
		h.trust(nil)
		return
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(bundle)) {
		h.trouble(errors.New("there is no certificate in " + caKey))
		return
	}
	h.trust(roots)
}

func (h *hubCA) trust(roots *x509.CertPool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.roots, h.told = roots, ""
}

// trouble tells each trouble once.
func (h *hubCA) trouble(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.told == err.Error() {
		return
	}
	h.told = err.Error()
	h.log.Warn("the hub's client CA cannot be read; client certificates are verified by the one before it, if any", "configmap", metav1.NamespaceSystem+"/"+caConfigMap, "error", err)
}

func (h *hubCA) options() (x509.VerifyOptions, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return verifyBy(h.roots), h.roots != nil
}

func (h *hubCA) pending() error {
	if h.informer.HasSynced() {
		return nil
	}
	return errors.New("the hub's client CA has not been read yet; if it lasts, the master's log says why")
}

// verifyBy is how certificates for clients are verified.
func verifyBy(roots *x509.CertPool) x509.VerifyOptions {
	return x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
}
