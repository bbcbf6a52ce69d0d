package join

import (
	"cmp"
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// This file has the steps that install the agent in the member and register it on the hub.

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
