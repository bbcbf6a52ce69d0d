// Package samples declares which samples a report of a cluster has: the names, types, help texts and labels of all
// Prometheus metrics, and the metrics that systems without Prometheus' data model get.
//
// A Family is a metric of Prometheus. It computes its series from a Cluster, which is the last report, the status of the
// session and the history. Families is the list of all of them, with the names that kube-state-metrics, the kubelet and
// cAdvisor use; docs/PROMETHEUS.md describes them. master/prom serves them to PromQL and to federation.
//
// Series of usage and of counts have the samples of the history. There is no sample for a time without a report, and a
// stale marker where a session ended. Series of objects have the value of the last report. They begin when the object last
// changed, as far as the current session has seen it (RevisionTimes), and end with that report. Earlier values are not kept.
//
// A Set has the metrics of one container, pod, namespace, node or of the cluster at the time of one reading. It is what
// the sinks send, and what Heapster's API shows: master/heapster gives the metrics the names of Heapster, and Set.Samples
// those of the families. An Inventory makes the Sets of readings, and is small enough to be kept in queues.
//
// Counts are the numbers of a cluster's summary, with their names in both.
package samples
