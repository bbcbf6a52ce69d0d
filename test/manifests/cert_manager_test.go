package manifests

import (
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

func TestCertManagerReplacesTheMastersCA(t *testing.T) {
	r := overlay(t, certManager)
	certificates := objects[struct {
		APIVersion, Kind string
		Metadata         struct{ Name, Namespace string }
		Spec             struct {
			SecretName string
			IssuerRef  struct{ Kind, Name string }
			PrivateKey struct {
				Algorithm, RotationPolicy string
				Size                      int
			}
			Usages, DNSNames []string
		}
	}](t, r, "Certificate")
	if len(certificates) != 1 {
		t.Fatalf("got %d Certificates, want 1", len(certificates))
	}
	spec := certificates[0].Spec
	if !slices.Contains(spec.DNSNames, "rollcall-master.rollcall-system.svc") || !slices.Contains(spec.Usages, "server auth") {
		t.Errorf("got Certificate %+v, want one for a server with the name of the Service", spec)
	}
	for _, o := range r.Resources() {
		if o.GetName() == "rollcall-master-ca" {
			t.Errorf("got the %s %s, want no CA of the masters", o.GetKind(), o.GetName())
		}
	}
	for _, role := range objects[rbacv1.Role](t, r, "Role") {
		for _, rule := range role.Rules {
			if slices.Contains(rule.ResourceNames, "rollcall-master-ca") {
				t.Errorf("%s still grants %v on the CA", role.Name, rule.Verbs)
			}
		}
	}
	pod := objects[appsv1.Deployment](t, r, "Deployment")[0].Spec.Template.Spec
	for _, want := range []string{"--tls-cert-file=/etc/rollcall/tls/tls.crt", "--tls-key-file=/etc/rollcall/tls/tls.key"} {
		if !slices.Contains(pod.Containers[0].Args, want) {
			t.Errorf("got args %q, want %s", pod.Containers[0].Args, want)
		}
	}
	mount := slices.IndexFunc(pod.Containers[0].VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == "/etc/rollcall/tls" })
	volume := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Secret != nil && v.Secret.SecretName == spec.SecretName })
	if mount < 0 || volume < 0 || pod.Volumes[volume].Name != pod.Containers[0].VolumeMounts[mount].Name {
		t.Errorf("got mounts %+v of %+v, want the Certificate's Secret at /etc/rollcall/tls", pod.Containers[0].VolumeMounts, pod.Volumes)
	}
}
