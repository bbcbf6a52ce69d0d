package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
)

// Paths of the API server's files in the cluster's folder, names of users, and address ranges.
const (
	caFile             = "pki/ca.crt"
	serverPairFile     = "pki/apiserver"
	aggregatorPairFile = "pki/front-proxy"
	serviceAccountFile = "pki/service-accounts.key"
	auditPolicyFile    = "audit-policy.yaml"
	auditLogFile       = "audit.log"
	aggregatorUser     = "front-proxy"
	adminUser          = "admin"
	apiServerUse       = "apiserver"
	serviceCIDR        = "10.96.0.0/16"
	serviceCIDRV6      = "fd00:96::/112"
)

// prepareFiles writes the files that the API server and its clients read.
func (c *Cluster) prepareFiles() error {
	address, err := c.address(apiServerUse)
	if err != nil {
		return err
	}
	c.server = "https://" + address
	if err := c.writeCertificates(); err != nil {
		return err
	}
	if c.options.Audit {
		if _, err := c.dir.write(auditPolicy, auditPolicyFile); err != nil {
			return err
		}
	}
	return c.prepareAdministrator()
}

// prepareAdministrator creates the administrator's kubeconfig and clients.
func (c *Cluster) prepareAdministrator() error {
	config, path, err := c.User(adminUser, administrators)
	if err != nil {
		return err
	}
	config.QPS = -1 // no client-side rate limit
	config.WarningHandler = rest.NoWarnings{}
	c.admin, c.Kubeconfig = config, path
	if c.client, err = kubernetes.NewForConfig(inProtobuf(config)); err != nil {
		return fmt.Errorf("create the administrator's client: %w", err)
	}
	if c.metadata, err = metadata.NewForConfig(config); err != nil {
		return fmt.Errorf("create the administrator's metadata client: %w", err)
	}
	return nil
}

// inProtobuf returns a copy of config that uses protobuf. It does not work for custom
// resources, which have no protobuf form.
func inProtobuf(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	return config
}

// writeCertificates creates the certificate authority and all certificates and keys of the API server.
func (c *Cluster) writeCertificates() (err error) {
	if c.ca, err = newAuthority("rollcall-test-" + c.Name); err != nil {
		return err
	}
	addresses := []net.IP{net.ParseIP(c.host), net.ParseIP(serviceIPOfTheAPI), net.IPv6loopback}
	server, err := c.ca.server(addresses, "localhost", "kubernetes", "kubernetes.default.svc")
	if err != nil {
		return err
	}
	aggregator, err := c.ca.user(aggregatorUser)
	if err != nil {
		return err
	}
	kubeletClient, err := c.ca.user(kubeletClientUser, administrators)
	if err != nil {
		return err
	}
	serviceAccounts, err := encodeKey(c.ca.key)
	if err != nil {
		return err
	}
	for file, content := range map[string][]byte{
		caFile:                      c.ca.PEM,
		serverPairFile + ".crt":     server.certificate,
		serverPairFile + ".key":     server.key,
		aggregatorPairFile + ".crt": aggregator.certificate,
		aggregatorPairFile + ".key": aggregator.key,
		kubeletPairFile + ".crt":    kubeletClient.certificate,
		kubeletPairFile + ".key":    kubeletClient.key,
		serviceAccountFile:          serviceAccounts,
	} {
		if _, err := c.dir.write(content, file); err != nil {
			return err
		}
	}
	return nil
}

// StartAPIServer starts the API server again after [Cluster.StopAPIServer], on the same port and with the same data. It
// returns when the API server is ready.
func (c *Cluster) StartAPIServer(ctx context.Context) error {
	if c.apiServer != nil {
		return errors.New("the API server is running")
	}
	etcd, err := c.address("etcd")
	if err != nil {
		return err
	}
	port, err := c.ports.Of(apiServerUse)
	if err != nil {
		return err
	}
	arguments := append(c.apiServerArguments(), fmt.Sprintf("--secure-port=%d", port), "--etcd-servers=http://"+etcd)
	if c.apiServer, err = c.run("kube-apiserver", arguments...); err != nil {
		return err
	}
	return c.apiServer.WaitReady(ctx, func(ctx context.Context) error {
		return c.client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	})
}

// APIServerPID returns the process ID of the API server, for measurements of CPU and memory. It returns
// 0 while the API server is stopped.
func (c *Cluster) APIServerPID() int {
	if c.apiServer == nil {
		return 0
	}
	return c.apiServer.PID()
}

// StopAPIServer kills the API server: connections break immediately, and new ones are refused.
func (c *Cluster) StopAPIServer() {
	if c.apiServer != nil {
		c.apiServer.Kill()
		c.apiServer = nil
	}
}

// FreezeAPIServer suspends the API server with SIGSTOP, like a cut cable: connections stay open without a response.
func (c *Cluster) FreezeAPIServer() {
	c.apiServer.Freeze()
}

// ThawAPIServer resumes the API server after [Cluster.FreezeAPIServer].
func (c *Cluster) ThawAPIServer() {
	c.apiServer.Signal(syscall.SIGCONT)
}

// apiServerArguments returns the arguments that do not depend on ports.
func (c *Cluster) apiServerArguments() []string {
	arguments := []string{
		"--bind-address=" + c.host,
		"--advertise-address=" + c.host,
		"--service-cluster-ip-range=" + serviceCIDR + "," + serviceCIDRV6,
		"--tls-cert-file=" + c.dir.file(serverPairFile+".crt"),
		"--tls-private-key-file=" + c.dir.file(serverPairFile+".key"),
		"--client-ca-file=" + c.dir.file(caFile),
		"--authorization-mode=Node,RBAC",
		"--allow-privileged=true",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + c.dir.file(serviceAccountFile),
		"--service-account-signing-key-file=" + c.dir.file(serviceAccountFile),
		"--requestheader-client-ca-file=" + c.dir.file(caFile),
		"--requestheader-allowed-names=" + aggregatorUser,
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + c.dir.file(aggregatorPairFile+".crt"),
		"--proxy-client-key-file=" + c.dir.file(aggregatorPairFile+".key"),
		// No queues: one client creates the objects of a whole cluster at once.
		"--enable-priority-and-fairness=false",
		"--max-requests-inflight=0",
		"--max-mutating-requests-inflight=0",
	}
	if c.options.RealNode {
		arguments = append(arguments,
			"--enable-admission-plugins=NodeRestriction",
			"--kubelet-client-certificate="+c.dir.file(kubeletPairFile+".crt"),
			"--kubelet-client-key="+c.dir.file(kubeletPairFile+".key"),
			"--kubelet-preferred-address-types=InternalIP",
		)
	} else {
		arguments = append(arguments, "--endpoint-reconciler-type=none") // a loopback address is no valid endpoint
	}
	if !c.options.ControllerManager {
		// Without the controller-manager there are no service accounts, which this plugin requires for each pod.
		arguments = append(arguments, "--disable-admission-plugins=ServiceAccount")
	}
	if c.options.Audit {
		arguments = append(arguments,
			"--audit-policy-file="+c.dir.file(auditPolicyFile),
			"--audit-log-path="+c.dir.file(auditLogFile),
			"--audit-log-maxsize=0", // one file, never rotated
		)
	}
	return append(arguments, c.options.APIServerFlags...)
}
