package session

import "time"

// Peers are the other masters that share the Store with this one. Its methods may be called by any goroutine,
// and do not block.
type Peers interface {
	// Owns reports whether this master owns a cluster: whether it has the cluster's session, and writes its
	// reports to the Store and its status to the hub. Sessions.OwnershipChanged has to be called when the answer
	// for any cluster may have changed.
	Owns(cluster string) bool
	// HandOver passes a cluster, which this master could not dial several times, to another master for some
	// minutes.
	HandOver(cluster string)
	// Want tells the owner of a cluster that it has demand at this master for the next d.
	Want(cluster string, d time.Duration)
}

// owns reports whether this master owns a cluster. A master without peers owns all clusters.
func (s *Sessions) owns(cluster string) bool {
	return s.config.Peers == nil || s.config.Peers.Owns(cluster)
}

// OwnershipChanged makes all clusters consider again whether this master owns them.
func (s *Sessions) OwnershipChanged() {
	for _, c := range s.allClusters() {
		c.read(c.wakeWorker)
	}
}
