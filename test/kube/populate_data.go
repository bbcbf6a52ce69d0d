package kube

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const databaseReplicas = 3

// dataObjects returns pods with storage, and pods that use ports of their nodes without a Service.
func dataObjects() []any {
	objects := []any{
		database(), agents(),
		service(NamespaceData, "db", "db", func(s *corev1.ServiceSpec) { s.ClusterIP = corev1.ClusterIPNone },
			servicePort("sql", 5432, "sql", 0)),
		volume("reports", "20Gi"), claim("reports", "10Gi"), claim("unbound", "1Ti"),
		deployment(NamespaceData, "reports", 1, []corev1.Container{
			container("reports", "registry.example/reports:3", "250m", "1Gi", mount("files", "/var/reports")),
		}, withClaim("files", "reports")),
		// With host network the API server sets hostPort of all ports.
		deployment(NamespaceData, "host-network", 2, []corev1.Container{
			container("node-local", "registry.example/node-local:1", "50m", "32Mi", port("http", 9200),
				declare(corev1.ContainerPort{Name: "gossip", ContainerPort: 7946, Protocol: corev1.ProtocolUDP})),
		}, withSpec(func(s *corev1.PodSpec) { s.HostNetwork = true })),
	}
	for i := range databaseReplicas {
		objects = append(objects, volume(fmt.Sprintf("data-db-%d", i), "50Gi"))
	}
	return objects
}

// database returns a StatefulSet with a volume for each replica.
func database() *appsv1.StatefulSet {
	t := template("db", []corev1.Container{
		container("postgres", "registry.example/postgres:18", "1", "4Gi", limits("2", "4Gi"), port("sql", 5432),
			mount("data", "/var/lib/postgresql"), request(corev1.ResourceEphemeralStorage, "2Gi")),
	})
	template := *claim("data", "50Gi")
	template.Spec.VolumeName = ""
	return &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: NamespaceData, Name: "db"},
		Spec: appsv1.StatefulSetSpec{
			ServiceName: "db", Replicas: new(int32(databaseReplicas)), PodManagementPolicy: appsv1.ParallelPodManagement,
			Selector: &metav1.LabelSelector{MatchLabels: t.Labels}, Template: t,
			VolumeClaimTemplates: []corev1.PersistentVolumeClaim{template},
		},
	}
}

// waitForDatabase waits until every replica has its volume. Before that they are unschedulable, and [Cluster.Settle]
// would consider that their final state.
func (c *Cluster) waitForDatabase(ctx context.Context) error {
	return c.poll(ctx, "the database", func(ctx context.Context) error {
		db, err := c.client.AppsV1().StatefulSets(NamespaceData).Get(ctx, "db", metav1.GetOptions{})
		if err == nil && db.Status.ReadyReplicas < databaseReplicas {
			err = fmt.Errorf("%d replicas of %d are ready", db.Status.ReadyReplicas, databaseReplicas)
		}
		return err
	})
}

// agents returns a DaemonSet that uses host ports on all addresses of a node, and one on a single address.
func agents() *appsv1.DaemonSet {
	t := template("node-agent", []corev1.Container{
		container("agent", "registry.example/node-agent:1.9", "20m", "50Mi",
			declare(corev1.ContainerPort{Name: "metrics", ContainerPort: 9100, HostPort: 9100}),
			declare(corev1.ContainerPort{Name: "debug", ContainerPort: 6060, HostPort: 6060, HostIP: "127.0.0.1"}),
			declare(corev1.ContainerPort{Name: "statsd", ContainerPort: 8125, HostPort: 8125, Protocol: corev1.ProtocolUDP})),
	}, withSpec(func(s *corev1.PodSpec) { s.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}} }))
	return &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: NamespaceData, Name: "node-agent"},
		Spec:       appsv1.DaemonSetSpec{Selector: &metav1.LabelSelector{MatchLabels: t.Labels}, Template: t},
	}
}

// volume returns a PersistentVolume for the claim with the same name.
func volume(name, size string) *corev1.PersistentVolume {
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:                      quantities(corev1.ResourceStorage, size),
			AccessModes:                   []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			ClaimRef:                      &corev1.ObjectReference{Kind: "PersistentVolumeClaim", Namespace: NamespaceData, Name: name},
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				HostPath: &corev1.HostPathVolumeSource{Path: "/var/volumes/" + name},
			},
		},
	}
}

// claim returns a claim that only the volume with its name can satisfy.
func claim(name, size string) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: NamespaceData, Name: name},
		Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: new(""), VolumeName: name,
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: quantities(corev1.ResourceStorage, size)},
		},
	}
}

// withClaim adds a volume from a claim.
func withClaim(volume, claim string) podOption {
	source := corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim}}
	return withSpec(func(s *corev1.PodSpec) {
		s.Volumes = append(s.Volumes, corev1.Volume{Name: volume, VolumeSource: source})
	})
}
