package plugin

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"rollcall.dev/rollcall/client"
)

// printHint prints what to do about an error, if the plugin knows more about that than the error itself says.
func (p *plugin) printHint(ctx context.Context, err error) {
	if hint := p.hint(ctx, err); hint != "" {
		fmt.Fprintln(p.ErrOut, "hint: "+hint)
	}
}

func (p *plugin) hint(ctx context.Context, err error) string {
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &untrusted) && p.connection.server != "":
		return p.certificateHint(untrusted)
	case isNotFound(err) && p.mayListAgents(ctx):
		return "`kubectl get clusteragents` lists all clusters"
	case isNotFound(err):
		return "`kubectl rollcall status` lists the clusters that you may see"
	}
	return ""
}

// certificateHint says how to make the plugin trust the master at --server.
func (p *plugin) certificateHint(e *tls.CertificateVerificationError) string {
	var name x509.HostnameError
	if errors.As(e, &name) {
		return fmt.Sprintf("set --tls-server-name to a name in the master's certificate, such as rollcall-master.%s.svc, or add the host of --server to --serving-cert-names of the master", p.connection.namespace)
	}
	return fmt.Sprintf("set --certificate-authority or $%s to a file with the master's CA, which you get by `kubectl -n %s get configmap %s -o jsonpath='{.data.ca\\.crt}'`", caFileEnv, p.connection.namespace, masterCA)
}

func isNotFound(err error) bool {
	var problem *client.Problem
	return errors.As(err, &problem) && problem.Status == http.StatusNotFound
}

// mayListAgents reports whether the user may list ClusterAgents in the hub. It is false if that is not known.
func (p *plugin) mayListAgents(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, publishedCATimeout)
	defer cancel()
	config, err := p.connection.hub()
	if err != nil || config.Host == "" {
		return false
	}
	api, err := kubernetes.NewForConfig(config)
	if err != nil {
		return false
	}
	review, err := api.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{Group: "rollcall.dev", Resource: "clusteragents", Verb: "list"}},
	}, metav1.CreateOptions{})
	return err == nil && review.Status.Allowed
}
