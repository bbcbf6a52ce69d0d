package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/test/kube"
	"rollcall.dev/rollcall/test/stack"
)

// environment owns all processes of a run. It starts each one when it is first needed.
type environment struct {
	sizes sizes
	log   func(format string, args ...any)
	root  string // of the repository
	dir   string // temporary files
	stack *stack.Stack
	// signer has the signing key of stack's masters.
	signer *token.Signer

	regularCluster *kwokCluster // see regular
	hub            *kube.Cluster
	master         *stack.Master // of hub
	sharedAgent    *agentSession // see sharedSession
}

// newEnvironment builds the binaries and creates a temporary directory. It starts no other process.
func newEnvironment(ctx context.Context, z sizes, log func(string, ...any)) (env *environment, err error) {
	env = &environment{sizes: z, log: log}
	if env.root, err = repository(ctx); err != nil {
		return nil, err
	}
	if env.dir, err = os.MkdirTemp("", "rollcall-bench-"); err != nil {
		return nil, fmt.Errorf("create a temporary directory: %w", err)
	}
	if env.stack, err = stack.New(ctx, stack.Options{Dir: env.dir, Log: log}); err != nil {
		return nil, errors.Join(err, os.RemoveAll(env.dir))
	}
	key, err := token.ReadPrivateKey(env.stack.SigningKey())
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(env.dir))
	}
	env.signer = token.NewSigner(key)
	return env, nil
}

// repository returns the root directory of the repository.
func repository(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "rollcall.dev/rollcall").Output()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// close stops all processes and removes the temporary directory.
func (env *environment) close() error {
	if env.sharedAgent != nil {
		env.sharedAgent.close()
	}
	err := env.stack.Close()
	if env.regularCluster != nil {
		env.regularCluster.close()
	}
	if env.hub != nil {
		env.hub.Close()
	}
	return errors.Join(err, os.RemoveAll(env.dir))
}

// startHub starts a hub with a master, unless they run already.
func (env *environment) startHub(ctx context.Context) (err error) {
	if env.hub == nil {
		if env.hub, err = kube.Start(ctx, kube.Options{Name: "hub", Log: env.log}); err != nil {
			return err
		}
	}
	if env.master == nil {
		env.master, err = env.stack.StartMaster(ctx, env.hub)
	}
	return err
}

// agent is a running rollcall-agent with its own user at the API server.
type agent struct {
	*stack.Agent
	user   string
	signer *token.Signer
	// api forwards to the API server and counts the agent's traffic.
	api *forwarder
	// address is the agent's listen address.
	address string
}

// startAgent starts an agent for the cluster called name.
func (env *environment) startAgent(ctx context.Context, cluster *kube.Cluster, name string, flags ...string) (*agent, error) {
	kubeconfig, err := env.agentUser(ctx, cluster, name)
	if err != nil {
		return nil, fmt.Errorf("start agent %s: %w", name, err)
	}
	api, err := newForwarder(strings.TrimPrefix(cluster.Config().Host, "https://"))
	if err != nil {
		return nil, fmt.Errorf("start agent %s: %w", name, err)
	}
	a := &agent{user: name, signer: env.signer, api: api}
	if kubeconfig, err = writeForwardedKubeconfig(api, kubeconfig); err != nil {
		return nil, errors.Join(fmt.Errorf("start agent %s: %w", name, err), a.close(ctx))
	}
	if a.Agent, err = env.stack.StartAgentWithKubeconfig(ctx, kubeconfig, name, flags...); err != nil {
		return nil, errors.Join(err, a.close(ctx))
	}
	a.address = strings.TrimPrefix(a.Endpoint, "wss://")
	return a, nil
}

// agentUser creates a user with an agent's rights and returns the path of its kubeconfig.
func (env *environment) agentUser(ctx context.Context, cluster *kube.Cluster, name string) (string, error) {
	for _, args := range [][]string{
		{"apply", "-f", filepath.Join(env.root, "config/agent/namespace.yaml")},
		{"apply", "--server-side", "-k", filepath.Join(env.root, "config/rbac/agent")},
	} {
		if _, err := cluster.Kubectl(args...); err != nil {
			return "", err
		}
	}
	_, kubeconfig, err := cluster.User(name)
	if err != nil {
		return "", err
	}
	for _, role := range []string{"rollcall-agent", "rollcall-agent-usage-metrics-api"} {
		_, err = cluster.Client().RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name + "-" + role},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, Name: name, APIGroup: rbacv1.GroupName}},
			RoleRef:    rbacv1.RoleRef{Kind: "ClusterRole", Name: role, APIGroup: rbacv1.GroupName},
		}, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) { // created by an earlier agent with this name
			return "", err
		}
	}
	return kubeconfig, nil
}

// writeForwardedKubeconfig writes a copy of a kubeconfig that connects through a forwarder, and returns its
// path.
func writeForwardedKubeconfig(f *forwarder, kubeconfig string) (string, error) {
	config, err := clientcmd.LoadFromFile(kubeconfig)
	if err != nil {
		return "", fmt.Errorf("read kubeconfig: %w", err)
	}
	for _, c := range config.Clusters {
		c.Server = "https://" + f.Address
	}
	path := kubeconfig + "." + strings.TrimPrefix(f.Address, "127.0.0.1:")
	return path, clientcmd.WriteToFile(*config, path)
}

// close stops the agent.
func (a *agent) close(ctx context.Context) (err error) {
	if a.Agent != nil {
		err = a.Stop(ctx)
	}
	a.api.close()
	return err
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
