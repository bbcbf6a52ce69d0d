// Package kube runs real Kubernetes clusters for tests, benchmarks and the demo: etcd and kube-apiserver, and on request
// scheduler, controller-manager, kwok (which plays the kubelets), metrics-server, and a node with a real kubelet. All of
// them are child processes that end with the cluster, and with this process whatever way it ends. They listen on
// 127.0.0.1; a cluster with a real node is in namespaces of its own, on an address that only this host reaches. Linux only.
//
// The package owns processes, certificates, kubeconfigs, the audit log and scenarios of odd workloads. It knows nothing
// of Rollcall, so that what it says of a cluster is an independent witness.
//
// A test takes the cluster that its package shares:
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(kube.Main(m)) }
//
//	func TestSomething(t *testing.T) {
//		cluster := kube.Shared(t, kube.Options{Name: "hub"})
//		…
//	}
//
// One that needs a real kubelet takes a node, and may stop its kubelet, kill it and start it again:
//
//	func TestSomething(t *testing.T) {
//		node := kube.StartRealNode(t, kube.Options{Name: "member"})
//		client := node.Cluster.Client()
//		node.KillKubelet()
//		…
//	}
package kube
