package plugin

import (
	"context"
	"crypto/x509"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// publishedCATimeout limits the request for the masters' CA.
const publishedCATimeout = 10 * time.Second

// readPublishedCA returns the CA that masters publish in the hub, in PEM; nil if there is
// none or it cannot be read. A wrong answer of the hub's API server adds no risk, since that
// server also chooses the pod to which it forwards the port.
func readPublishedCA(ctx context.Context, hub *rest.Config, namespace string) []byte {
	ctx, cancel := context.WithTimeout(ctx, publishedCATimeout)
	defer cancel()
	api, err := kubernetes.NewForConfig(hub)
	if err != nil {
		return nil
	}
	published, err := api.CoreV1().ConfigMaps(namespace).Get(ctx, masterCA, metav1.GetOptions{})
	if err != nil {
		return nil
	}
	pem := []byte(published.Data["ca.crt"])
	if !x509.NewCertPool().AppendCertsFromPEM(pem) {
		return nil
	}
	return pem
}
