package view

import (
	"sync"
	"time"
)

// changeLogs holds the ChangeLogs of the clusters that are watched, or were recently.
type changeLogs struct {
	mu        sync.Mutex
	byCluster map[string]*ChangeLog
}

// get returns the ChangeLog of a cluster, and creates it if needed. l.mu must be held.
func (l *changeLogs) get(cluster string) *ChangeLog {
	log := l.byCluster[cluster]
	if log == nil {
		if l.byCluster == nil {
			l.byCluster = map[string]*ChangeLog{}
		}
		log = &ChangeLog{}
		l.byCluster[cluster] = log
	}
	return log
}

// Watch returns the ChangeLog of a cluster. The log is kept until stop is called, and for
// unwatchedRetention after that, so that clients can resume. stop may be called more than once.
func (c *DocumentCache) Watch(cluster string) (log *ChangeLog, stop func()) {
	c.logs.mu.Lock()
	defer c.logs.mu.Unlock()
	log = c.logs.get(cluster)
	log.addWatcher()
	var once sync.Once
	return log, func() { once.Do(func() { log.removeWatcher(time.Now()) }) }
}

// Record adds a report that a client has read to the cluster's ChangeLog, so that the client can
// start a watch from it.
func (c *DocumentCache) Record(r *Report) error {
	c.logs.mu.Lock()
	log := c.logs.get(r.Cluster)
	c.logs.mu.Unlock()
	return log.Record(time.Now(), r)
}

// sweep drops the logs that are neither watched nor read.
func (l *changeLogs) sweep(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, log := range l.byCluster {
		if log.evictIdle(now) {
			delete(l.byCluster, name)
		}
	}
}
