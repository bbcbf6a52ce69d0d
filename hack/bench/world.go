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

// world owns all processes of a run; each is started when it is first needed.
type world struct {
	sizes sizes
	say   func(format string, args ...any)
	root  string // of the repository
	dir   string
	stack *stack.Stack
	// signer signs as the masters of stack do.
	signer *token.Signer

	played *played // see regular
	hub    *kube.Cluster
	master *stack.Master // that hub's
	shared *shared       // see sharedSession
}

func newWorld(ctx context.Context, z sizes, say func(string, ...any)) (w *world, err error) {
	w = &world{sizes: z, say: say}
	if w.root, err = repository(ctx); err != nil {
		return nil, err
	}
	if w.dir, err = os.MkdirTemp("", "rollcall-bench-"); err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	if w.stack, err = stack.New(ctx, stack.Options{Dir: w.dir, Log: say}); err != nil {
		return nil, errors.Join(err, os.RemoveAll(w.dir))
	}
	key, err := token.ReadPrivateKey(w.stack.SigningKey())
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(w.dir))
	}
	w.signer = token.NewSigner(key)
	return w, nil
}

func repository(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

func (w *world) close() error {
	if w.shared != nil {
		w.shared.close()
	}
	err := w.stack.Close()
	if w.played != nil {
		w.played.close()
	}
	if w.hub != nil {
		w.hub.Close()
	}
	return errors.Join(err, os.RemoveAll(w.dir))
}

// startHub starts a hub with a master, once.
func (w *world) startHub(ctx context.Context) (err error) {
	if w.hub == nil {
		if w.hub, err = kube.Start(ctx, kube.Options{Name: "hub", Log: w.say}); err != nil {
			return err
		}
	}
	if w.master == nil {
		w.master, err = w.stack.StartMaster(ctx, w.hub)
	}
	return err
}

// agent is a running rollcall-agent with its own user at the API server.
type agent struct {
	*stack.Agent
	user   string
	signer *token.Signer
	// api is between the agent and its API server.
	api *forwarder
	// address is where it listens.
	address string
	began   time.Time
}

// startAgent starts an agent for the cluster called name.
func (w *world) startAgent(ctx context.Context, cluster *kube.Cluster, name string, flags ...string) (*agent, error) {
	kubeconfig, err := w.agentUser(ctx, cluster, name)
	if err != nil {
		return nil, fmt.Errorf("start agent %s: %w", name, err)
	}
	api, err := forward(strings.TrimPrefix(cluster.Config().Host, "https://"))
	if err != nil {
		return nil, fmt.Errorf("start agent %s: %w", name, err)
	}
	a := &agent{user: name, signer: w.signer, api: api, began: time.Now()}
	if kubeconfig, err = through(api, kubeconfig); err != nil {
		return nil, errors.Join(fmt.Errorf("start agent %s: %w", name, err), a.end(ctx))
	}
	if a.Agent, err = w.stack.StartAgentAs(ctx, kubeconfig, name, flags...); err != nil {
		return nil, errors.Join(err, a.end(ctx))
	}
	a.address = strings.TrimPrefix(a.Endpoint, "wss://")
	return a, nil
}

// agentUser creates a user with an agent's rights and returns the path of its kubeconfig.
func (w *world) agentUser(ctx context.Context, cluster *kube.Cluster, name string) (string, error) {
	for _, args := range [][]string{
		{"apply", "-f", filepath.Join(w.root, "config/agent/namespace.yaml")},
		{"apply", "--server-side", "-k", filepath.Join(w.root, "config/rbac/agent")},
	} {
		if _, err := cluster.Kubectl(args...); err != nil {
			return "", err
		}
	}
	_, kubeconfig, err := cluster.User(name)
	if err != nil {
		return "", err
	}
	_, err = cluster.Client().RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, Name: name, APIGroup: rbacv1.GroupName}},
		RoleRef:    rbacv1.RoleRef{Kind: "ClusterRole", Name: "rollcall-agent", APIGroup: rbacv1.GroupName},
	}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) { // of an agent that could not be used
		err = nil
	}
	return kubeconfig, err
}

// through writes a copy of a kubeconfig that connects through a forwarder, and returns its
// path.
func through(f *forwarder, kubeconfig string) (string, error) {
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

// end stops the agent.
func (a *agent) end(ctx context.Context) (err error) {
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
