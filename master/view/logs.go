package view

import (
	"sync"
	"time"
)

// logs are the Logs of the clusters that are watched, or were lately.
type logs struct {
	mu  sync.Mutex
	all map[string]*Log
}

func (l *logs) of(cluster string) *Log {
	log := l.all[cluster]
	if log == nil {
		if l.all == nil {
			l.all = map[string]*Log{}
		}
		log = &Log{}
		l.all[cluster] = log
	}
	return log
}

// Watch is the Log of a cluster, which is kept until leave is called, and some time
// longer for who comes again.
func (s *DocumentCache) Watch(cluster string) (log *Log, leave func()) {
	s.logs.mu.Lock()
	defer s.logs.mu.Unlock()
	log = s.logs.of(cluster)
	log.join()
	var once sync.Once
	return log, func() { once.Do(func() { log.leave(time.Now()) }) }
}

// Note keeps a report that somebody reads for some time, so that they can watch what
// changes after it.
func (s *DocumentCache) Note(r *Report) error {
	s.logs.mu.Lock()
	log := s.logs.of(r.Cluster)
	s.logs.mu.Unlock()
	return log.Note(time.Now(), r)
}

func (l *logs) sweep(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, log := range l.all {
		if log.idle(now) {
			delete(l.all, name)
		}
	}
}
