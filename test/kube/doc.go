// Package kube runs real Kubernetes clusters for tests, benchmarks and the demo: etcd and kube-apiserver, and
// optionally scheduler, controller-manager, kwok (which simulates kubelets), metrics-server, and a node with a real
// kubelet. All are child processes. They end when the cluster is closed, and also when this process exits or is killed.
// They listen on 127.0.0.1; a cluster with a real node runs in separate namespaces, at addresses that only this host
// and linked nodes can reach. The package works on Linux only.
//
// The package manages processes, certificates, kubeconfigs, the audit log and scenarios of unusual workloads. It does
// not import other packages of Rollcall except test/proc, so that tests can compare Rollcall with an independent
// source.
//
// A test uses the cluster that its package shares:
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(kube.Main(m)) }
//
//	func TestSomething(t *testing.T) {
//		cluster := kube.Shared(t, kube.Options{Name: "hub"})
//		…
//	}
//
// A test that needs a real kubelet starts a node, and may stop, kill and restart its kubelet:
//
//	func TestSomething(t *testing.T) {
//		node := kube.StartRealNode(t, kube.Options{Name: "member"})
//		client := node.Cluster.Client()
//		node.KillKubelet()
//		…
//	}
//
// [Connect] links the real nodes of two clusters, for example of a hub and a member, and breaks the link on request.
package kube
