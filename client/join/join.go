package join

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"rollcall.dev/rollcall/api/jointoken"
	"rollcall.dev/rollcall/api/v1alpha1"
)

const (
	// dialTimeout is the time in which a master has to reach an agent that it dials.
	dialTimeout = 10 * time.Second
	// maxSkew is a difference of two clocks above which a warning is printed.
	maxSkew = 5 * time.Second
	// agentPort is the port of the agent's Service.
	agentPort = 7443
)

// Options are the settings of Join.
type Options struct {
	// Name is the name of the cluster.
	Name string
	// Token joins without access to the hub, unless it is nil. Name, Hub and the hub's settings are not used then.
	Token *jointoken.Token
	// Hub is the cluster of the masters, in HubNamespace, and Member the cluster that joins.
	Hub          *Cluster
	HubNamespace string
	Member       *Cluster
	// HubAddress is the URL at which the member reaches the masters, and HubServerName the name in their certificate.
	// By default, both are looked up in the hub.
	HubAddress, HubServerName string
	// Endpoint is the URL at which the masters reach the agent, and Expose the type of a Service that makes it reachable.
	// If both are empty, the agent dials the masters.
	Endpoint string
	Expose   corev1.ServiceType
	// ProxyURL, ImageRegistry and ImagePullSecret are settings of the agent; Labels are those of the ClusterAgent.
	ProxyURL, ImageRegistry, ImagePullSecret string
	Labels                                   map[string]string
	// Wait limits the time for the agent to start and to be connected.
	Wait   time.Duration
	DryRun DryRun
	// ForceConflicts takes fields over from other field managers.
	ForceConflicts bool
	// Out gets a line for each step. Objects gets the applied objects as YAML, unless it is nil.
	Out, Objects io.Writer
	// Ask asks the masters for the cluster's state. Nil means not to ask.
	Ask func(ctx context.Context, cluster string) (Answer, error)
}

// Answer describes the first answer about a cluster.
type Answer struct {
	Nodes, Pods, Bytes int
	// Stale is set if the masters have no current data.
	Stale bool
}

// reverse reports whether the agent dials the masters.
func (o *Options) reverse() bool { return o.Endpoint == "" && o.Expose == "" }

// joining is one run of Join.
type joining struct {
	Options
	run   run
	hub   hub
	facts hubFacts
	// uid is that of the member, registered its ClusterAgent before this run, or nil.
	uid        string
	registered *v1alpha1.ClusterAgent
	pin        string
	// podBefore is the agent's pod before this run, or "".
	podBefore types.UID
	// began is when the run began, applied when the agent's objects were applied.
	began, applied time.Time

	onMember, onHub *applier
}

// Join installs the agent in a member, registers it on the hub, and waits until masters get answers. Its output says
// what was checked, or what failed and what to do about it.
func Join(ctx context.Context, o Options) error {
	j := newJoining(o)
	if o.Token != nil {
		return j.byToken(ctx)
	}
	steps := []step{
		{"hub", j.checkHub},
		{"connection", j.chooseConnection},
		{"cluster", j.checkMember},
		{"name", j.checkName},
		{"rights", j.checkRights},
		{"metrics API", j.checkMetrics},
		{"objects", j.applyAgent},
		// The agent dials as soon as it runs, so it is registered before its pod is ready.
		{"agent's key", j.readPin},
		{"registration", j.register},
		{"agent", j.awaitAgent},
		{"link", j.awaitConnection},
		{"first answer", j.awaitAnswer},
	}
	if err := j.run.execute(ctx, steps); err != nil {
		return err
	}
	return j.finish()
}

func newJoining(o Options) *joining {
	j := &joining{Options: o, run: run{out: o.Out}, hub: hub{o.Hub, o.HubNamespace}, began: time.Now()}
	j.onMember = &applier{run: &j.run, cluster: o.Member, dryRun: o.DryRun, force: o.ForceConflicts}
	j.onHub = &applier{run: &j.run, cluster: o.Hub, dryRun: o.DryRun, force: o.ForceConflicts}
	return j
}

// finish prints the objects and the last line.
func (j *joining) finish() error {
	if j.Objects != nil {
		if err := writeObjects(j.Objects, "cluster "+j.Name, j.onMember.applied); err != nil {
			return err
		}
		if err := writeObjects(j.Objects, "hub", j.onHub.applied); err != nil {
			return err
		}
	}
	if j.DryRun != DryRunNone {
		fmt.Fprintf(j.Out, "\nNothing was changed (--dry-run=%s).\n", j.DryRun)
		return nil
	}
	see := " See it by: kubectl rollcall status " + j.Name
	if j.Token != nil {
		see = ""
	}
	fmt.Fprintf(j.Out, "\n%s has joined, in %s.%s\n", j.Name, seconds(time.Since(j.began)), see)
	return nil
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

func (j *joining) checkHub(ctx context.Context) (result, error) {
	version, err := j.hub.version()
	if err != nil {
		return result{}, err
	}
	if err := j.hub.keys(ctx, &j.facts); err != nil {
		return result{}, err
	}
	return resultf("%s, Kubernetes %s, signing key %s", j.Hub.Host, version, keyFingerprint(j.facts.signingKeys))
}

// chooseConnection says who dials, and finds the address of the masters if the agent does.
func (j *joining) chooseConnection(ctx context.Context) (result, error) {
	if !j.reverse() {
		if j.ProxyURL != "" {
			return result{}, &Fault{"--proxy-url is for an agent that dials the hub, and with --endpoint or --expose the hub dials the agent", "remove one of them"}
		}
		return resultf("Dial: the hub dials the agent, as --endpoint or --expose is set")
	}
	if err := j.hub.findAddress(ctx, j.HubAddress, j.HubServerName, &j.facts); err != nil {
		return result{}, err
	}
	return resultf("Reverse: the agent dials the hub at %s (%s), as neither --endpoint nor --expose is set", j.facts.address, j.facts.source)
}

func (j *joining) checkMember(ctx context.Context) (result, error) {
	version, err := j.Member.version()
	if err != nil {
		return result{}, err
	}
	if j.uid, err = j.Member.uid(ctx); err != nil {
		return result{}, err
	}
	found := result{text: fmt.Sprintf("%s, Kubernetes %s, UID %s", j.Member.Host, version, j.uid)}
	if j.Hub == nil {
		return found, nil
	}
	if skew, known := j.Member.skew(j.Hub); known && skew.Abs() > maxSkew {
		found.warnings = append(found.warnings, fmt.Sprintf("the clocks of its API server and of the hub's differ by %s: synchronize them", skew.Round(time.Second).Abs()))
	}
	return found, nil
}

func (j *joining) checkName(ctx context.Context) (result, error) {
	agents, err := j.hub.agents(ctx)
	if err != nil {
		return result{}, err
	}
	if j.registered, err = checkName(agents, j.Name, j.uid); err != nil {
		return result{}, err
	}
	if _, err := j.checkInstalled(ctx); err != nil {
		return result{}, err
	}
	if j.registered != nil {
		return resultf("%s is registered for this cluster already: this run repairs it", j.Name)
	}
	return resultf("%s is free, and the cluster is not registered under another name", j.Name)
}

// checkInstalled returns an error if the member has an agent of another name.
func (j *joining) checkInstalled(ctx context.Context) (result, error) {
	installed, err := j.Member.configMap(ctx, Namespace, agentNameMap)
	if err != nil {
		return result{}, err
	}
	if other := installed[agentNameKey]; other != "" && other != j.Name {
		return result{}, &Fault{
			fmt.Sprintf("the agent in this cluster has the name %s, not %s", other, j.Name),
			fmt.Sprintf("join it as %s, or remove the agent first by `kubectl rollcall leave %s --context %s`", other, other, j.Member.Context),
		}
	}
	return resultf("the cluster has no agent of another name")
}

func (j *joining) checkRights(ctx context.Context) (result, error) {
	onMember, err := j.checkMemberRights(ctx)
	if err != nil {
		return result{}, err
	}
	rights := rightsToApply([]*unstructured.Unstructured{registration{name: j.Name}.object()}, "get", "create", "patch")
	if err := j.Hub.needRights(ctx, "on the hub", rights); err != nil {
		return result{}, err
	}
	return resultf("%s, %d on the hub", onMember.text, len(rights))
}

// checkMemberRights reviews the rights that applyAgent and the steps after it need in the member.
func (j *joining) checkMemberRights(ctx context.Context) (result, error) {
	objects, err := agentObjects(j.agentSettings())
	if err != nil {
		return result{}, err
	}
	rights := append(rightsToApply(objects, "get", "create", "patch"),
		right{Verb: "get", Resource: "configmaps", Namespace: Namespace, Name: agentPinMap}, right{Verb: "list", Resource: "pods", Namespace: Namespace}, right{Verb: "get", Resource: "pods", Subresource: "log", Namespace: Namespace})
	if err := j.Member.needRights(ctx, "in the cluster", rights); err != nil {
		return result{}, err
	}
	return resultf("%d on the cluster", len(rights))
}

func (j *joining) checkMetrics(context.Context) (result, error) {
	return checkMetrics(j.Member), nil
}

// checkMetrics reports whether a cluster serves metrics.k8s.io. Without it, all works except usage.
func checkMetrics(c *Cluster) result {
	_, err := c.Client.Discovery().ServerResourcesForGroupVersion("metrics.k8s.io/v1beta1")
	switch {
	case err == nil:
		return result{text: "metrics.k8s.io is served"}
	case apierrors.IsNotFound(err):
		return result{warnings: []string{"metrics.k8s.io is not served, so the usage of CPU and memory is not reported: install metrics-server; nothing else depends on it"}}
	}
	return result{warnings: []string{fmt.Sprintf("metrics.k8s.io does not answer, so the usage of CPU and memory is not reported until it does: %v", err)}}
}

func (j *joining) agentSettings() agentSettings {
	s := agentSettings{cluster: j.Name, signingKeys: j.facts.signingKeys, proxy: j.ProxyURL, registry: j.ImageRegistry, pullSecret: j.ImagePullSecret}
	if j.reverse() {
		s.hub, s.serverName, s.ca = j.facts.address, j.facts.serverName, j.facts.ca
		if j.Token != nil {
			s.joinToken = j.Token.Encode()
		}
		return s
	}
	s.expose = cmp.Or(j.Expose, corev1.ServiceTypeClusterIP)
	return s
}

// applyAgent applies the agent's objects.
func (j *joining) applyAgent(ctx context.Context) (result, error) {
	objects, err := agentObjects(j.agentSettings())
	if err != nil {
		return result{}, err
	}
	if err := j.checkPullSecret(ctx); err != nil {
		return result{}, err
	}
	if before, err := j.Member.agentPod(ctx); err != nil {
		return result{}, err
	} else if before != nil {
		j.podBefore = before.UID
	}
	sum, err := j.onMember.applyAll(ctx, objects)
	j.applied = time.Now()
	if err == nil && j.DryRun != DryRunNone {
		return resultf("would apply %s", sum)
	}
	return result{text: sum.String()}, err
}

// awaitAgent waits until the agent's pod is ready.
func (j *joining) awaitAgent(ctx context.Context) (result, error) {
	if j.DryRun != DryRunNone {
		return result{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, j.Wait)
	defer cancel()
	pod, err := j.Member.awaitAgent(ctx, podRuns)
	if err != nil {
		return result{}, err
	}
	return resultf("pod %s, image %s, is ready after %s", pod.Name, pod.Spec.Containers[0].Image, seconds(time.Since(j.applied)))
}

// checkPullSecret returns an error if the Secret for the registry does not exist, since then the pod would never start.
func (j *joining) checkPullSecret(ctx context.Context) error {
	if j.ImagePullSecret == "" {
		return nil
	}
	_, err := j.Member.Client.CoreV1().Secrets(Namespace).Get(ctx, j.ImagePullSecret, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return &Fault{
			fmt.Sprintf("the Secret %s/%s of --image-pull-secret does not exist", Namespace, j.ImagePullSecret),
			fmt.Sprintf("create it: kubectl create namespace %[1]s; kubectl -n %[1]s create secret docker-registry %[2]s --docker-server=… --docker-username=… --docker-password=…", Namespace, j.ImagePullSecret),
		}
	}
	return j.Member.explain("read the Secret of --image-pull-secret", err)
}

// readPin reads the pin of the key that the agent has made itself.
func (j *joining) readPin(ctx context.Context) (result, error) {
	if j.DryRun != DryRunNone {
		published, err := j.Member.configMap(ctx, Namespace, agentPinMap)
		if j.pin = published["pin"]; err != nil || j.pin == "" {
			return result{text: "is made by the agent when it starts first, so its pin is not known yet"}, err
		}
		return resultf("SHA-256 %s", j.pin)
	}
	waiting, cancel := context.WithTimeout(ctx, j.Wait)
	defer cancel()
	_, err := j.Member.awaitAgent(waiting, func(ctx context.Context, c *Cluster, _ *corev1.Pod) (bool, error) {
		published, err := c.configMap(ctx, Namespace, agentPinMap)
		j.pin = published["pin"]
		return j.pin != "", err
	})
	if err != nil {
		return result{}, err
	}
	return resultf("SHA-256 %s; the key itself stays in the cluster", j.pin)
}

// register applies the ClusterAgent.
func (j *joining) register(ctx context.Context) (result, error) {
	r := registration{name: j.Name, uid: j.uid, labels: j.Labels}
	if j.pin != "" {
		r.pins = []string{j.pin}
	}
	if !j.reverse() {
		var err error
		if r.endpoint, err = j.endpoint(ctx); err != nil {
			return result{}, err
		}
	}
	sum, err := j.onHub.applyAll(ctx, []*unstructured.Unstructured{r.object()})
	if err != nil {
		return result{}, err
	}
	text := "ClusterAgent " + j.Name
	if r.endpoint != "" {
		text += ", endpoint " + r.endpoint
	}
	switch {
	case j.DryRun != DryRunNone:
		text = "would apply the " + text
	case sum.created > 0:
		text += " created"
	case sum.changed > 0:
		text += " changed"
	default:
		text += " is up to date"
	}
	return result{text: text}, nil
}
