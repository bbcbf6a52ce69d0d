package kube

import (
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// containerOption changes a container that [container] returns.
type containerOption func(*corev1.Container)

// container returns a container with requests of CPU and memory as quantities; "" requests
// none.
func container(name, image, cpu, memory string, options ...containerOption) corev1.Container {
	c := corev1.Container{Name: name, Image: image}
	c.Resources.Requests = quantities(corev1.ResourceCPU, cpu, corev1.ResourceMemory, memory)
	for _, option := range options {
		option(&c)
	}
	return c
}

// limits sets limits on CPU and memory, as quantities; "" sets none.
func limits(cpu, memory string) containerOption {
	return func(c *corev1.Container) {
		c.Resources.Limits = quantities(corev1.ResourceCPU, cpu, corev1.ResourceMemory, memory)
	}
}

// request requests another resource, with the equal limit that extended resources require.
func request(name corev1.ResourceName, quantity string) containerOption {
	return func(c *corev1.Container) {
		if c.Resources.Limits == nil {
			c.Resources.Limits = corev1.ResourceList{}
		}
		if c.Resources.Requests == nil {
			c.Resources.Requests = corev1.ResourceList{}
		}
		c.Resources.Limits[name] = resource.MustParse(quantity)
		c.Resources.Requests[name] = resource.MustParse(quantity)
	}
}

// port declares a TCP port.
func port(name string, number int32) containerOption {
	return declare(corev1.ContainerPort{Name: name, ContainerPort: number})
}

// declare adds a port.
func declare(port corev1.ContainerPort) containerOption {
	return func(c *corev1.Container) { c.Ports = append(c.Ports, port) }
}

// mount mounts a volume at a path.
func mount(volume, path string) containerOption {
	return func(c *corev1.Container) {
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: volume, MountPath: path})
	}
}

// sidecar makes an init container a sidecar.
func sidecar(c *corev1.Container) {
	c.RestartPolicy = new(corev1.ContainerRestartPolicyAlways)
}

// podOption changes a pod template.
type podOption func(*corev1.PodTemplateSpec)

// template returns a template for pods with the label app=APP.
func template(app string, containers []corev1.Container, options ...podOption) corev1.PodTemplateSpec {
	t := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": app}},
		Spec:       corev1.PodSpec{Containers: containers, TerminationGracePeriodSeconds: new(int64(0))},
	}
	for _, option := range options {
		option(&t)
	}
	return t
}

// withInit sets the init containers.
func withInit(containers ...corev1.Container) podOption {
	return func(t *corev1.PodTemplateSpec) { t.Spec.InitContainers = containers }
}

// withBehavior sets the label that selects kwok's behavior.
func withBehavior(behavior string) podOption {
	return func(t *corev1.PodTemplateSpec) { t.Labels[BehaviorLabel] = behavior }
}

// withSpec changes the pod's spec.
func withSpec(change func(*corev1.PodSpec)) podOption {
	return func(t *corev1.PodTemplateSpec) { change(&t.Spec) }
}

// bare returns a pod without an owner.
func bare(namespace, name string, containers []corev1.Container, options ...podOption) *corev1.Pod {
	t := template(name, containers, options...)
	pod := &corev1.Pod{ObjectMeta: t.ObjectMeta, Spec: t.Spec}
	pod.Namespace, pod.Name = namespace, name
	return pod
}

// deployment returns a Deployment with the label app=NAME.
func deployment(namespace, name string, replicas int, containers []corev1.Container, options ...podOption) *appsv1.Deployment {
	t := template(name, containers, options...)
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas:             new(int32(replicas)),
			RevisionHistoryLimit: new(int32(1)),
			Selector:             &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}},
			Template:             t,
		},
	}
}

// service returns a Service that selects the pods with the label app=APP.
func service(namespace, name, app string, change func(*corev1.ServiceSpec), ports ...corev1.ServicePort) *corev1.Service {
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": app}, Ports: ports},
	}
	if change != nil {
		change(&s.Spec)
	}
	return s
}

// servicePort returns a TCP port of a Service. The target is a number or the name of a
// container port.
func servicePort(name string, number int32, target string, nodePort int32) corev1.ServicePort {
	p := corev1.ServicePort{Name: name, Port: number, NodePort: nodePort, TargetPort: intstr.FromString(target)}
	if n, err := strconv.Atoi(target); err == nil {
		p.TargetPort = intstr.FromInt32(int32(n))
	}
	return p
}

// quantities returns a resource list from pairs of name and quantity. It leaves out empty
// quantities.
func quantities(pairs ...any) corev1.ResourceList {
	list := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		if text := pairs[i+1].(string); text != "" {
			list[pairs[i].(corev1.ResourceName)] = resource.MustParse(text)
		}
	}
	return list
}
