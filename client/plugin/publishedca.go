package plugin

import (
	"context"
	"crypto/x509"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// publishedTimeout bounds the request for the masters' CA.
const publishedTimeout = 10 * time.Second

// publishedCA returns the CA that masters publish in the hub, in PEM; nil where there is
// none or it may not be read. It is the hub's API server that is believed, which also says
// which pod a port-forward leads to.
func publishedCA(ctx context.Context, hub *rest.Config, namespace string) []byte {
	ctx, cancel := context.WithTimeout(ctx, publishedTimeout)
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
