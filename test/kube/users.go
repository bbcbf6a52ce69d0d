package kube

import (
	"context"
	"fmt"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// administrators is the group that has all rights.
const administrators = "system:masters"

// tokenLifetimeSeconds is longer than any test or demo runs.
const tokenLifetimeSeconds = 24 * 60 * 60

// User creates a user with a client certificate. RBAC and the audit log identify the user by its
// name. It returns a client configuration and the path of a kubeconfig. The user has
// only the rights that RBAC grants to it and its groups.
func (c *Cluster) User(name string, groups ...string) (*rest.Config, string, error) {
	pair, err := c.ca.user(name, groups...)
	if err != nil {
		return nil, "", err
	}
	credentials := &clientcmdapi.AuthInfo{ClientCertificateData: pair.certificate, ClientKeyData: pair.key}
	return c.writeKubeconfig(name, credentials)
}

// ServiceAccount returns a client configuration and the path of a kubeconfig with a token of an existing service
// account.
func (c *Cluster) ServiceAccount(ctx context.Context, namespace, name string) (*rest.Config, string, error) {
	request := &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: new(int64(tokenLifetimeSeconds))},
	}
	token, err := c.client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name, request, metav1.CreateOptions{})
	if err != nil {
		return nil, "", fmt.Errorf("request a token of service account %s/%s: %w", namespace, name, err)
	}
	return c.writeKubeconfig(namespace+"."+name, &clientcmdapi.AuthInfo{Token: token.Status.Token})
}

// writeKubeconfig writes a kubeconfig with embedded credentials. It returns a client configuration and the path.
func (c *Cluster) writeKubeconfig(name string, credentials *clientcmdapi.AuthInfo) (*rest.Config, string, error) {
	kubeconfig := clientcmdapi.NewConfig()
	kubeconfig.Clusters[c.Name] = &clientcmdapi.Cluster{Server: c.server, CertificateAuthorityData: c.ca.PEM}
	kubeconfig.AuthInfos[name] = credentials
	kubeconfig.Contexts[c.Name] = &clientcmdapi.Context{Cluster: c.Name, AuthInfo: name}
	kubeconfig.CurrentContext = c.Name

	content, err := clientcmd.Write(*kubeconfig)
	if err != nil {
		return nil, "", fmt.Errorf("encode the kubeconfig of %s: %w", name, err)
	}
	file := strings.ReplaceAll(name, ":", ".") + ".kubeconfig"
	path, err := c.dir.write(content, "users", file)
	if err != nil {
		return nil, "", err
	}
	config, err := clientcmd.NewDefaultClientConfig(*kubeconfig, nil).ClientConfig()
	if err != nil {
		return nil, "", fmt.Errorf("read the kubeconfig of %s: %w", name, err)
	}
	return config, path, nil
}
