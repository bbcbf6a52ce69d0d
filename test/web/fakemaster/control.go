package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// acts are what a test can have happen to a cluster; n is a number that some take.
var acts = map[string]func(c *cluster, n int){
	"crash":     func(c *cluster, _ int) { c.world.crash("web", 10*time.Minute); c.reported = time.Time{} },
	"heal":      func(c *cluster, _ int) { c.world.heal("web"); c.reported = time.Time{} },
	"arrive":    func(c *cluster, n int) { c.world.arrive(n); c.reported = time.Time{} },
	"take":      func(c *cluster, n int) { c.world.take(uint16(n)); c.reported = time.Time{} },
	"lose-node": func(c *cluster, n int) { c.world.loseNode(n); c.reported = time.Time{} },
	"provoke":   func(c *cluster, _ int) { c.world.provoke(); c.reported = time.Time{} },
	"silent":    func(c *cluster, _ int) { c.silent = true },
	"speak":     func(c *cluster, _ int) { c.silent = false },
	"fail": func(c *cluster, _ int) {
		c.unreachable = "dial wss://10.20.0.9:7443: no answer within 10s"
	},
	"recover": func(c *cluster, _ int) { c.unreachable = "" },
	"suspend": func(c *cluster, _ int) { c.Suspended = true },
	"resume":  func(c *cluster, _ int) { c.Suspended = false },
	"answer":  func(c *cluster, _ int) { c.never = false },
	"usage": func(c *cluster, _ int) {
		c.usage, c.reports = true, 0
		c.world.sections[state.SectionUsage] = state.SectionStatus{Live: true}
		c.reported = time.Time{}
	},
	"restart-agent": func(c *cluster, _ int) {
		usage := c.usage
		c.world = newWorld(c.Name, c.world.nodes+n1, 1)
		c.world.State.Epoch++
		c.usage, c.reported = usage, time.Time{}
	},
}

// n1 is how many nodes a cluster has more once its agent was restarted.
const n1 = 1

// control serves what tests do and look at: POST /fake?act=…&cluster=…&n=…, and GET
// /fake for the clusters that are watched.
func (s *sessions) control(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		w.Header().Set("Content-Type", "application/json")
		// Nobody is left to tell of an error.
		_ = json.NewEncoder(w).Encode(s.watched())
		return
	}
	if err := s.act(r.FormValue("act"), r.FormValue("cluster"), r.FormValue("n")); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

func (s *sessions) act(name, on, number string) error {
	n, _ := strconv.Atoi(number)
	act := acts[name]
	if act == nil {
		return fmt.Errorf("there is no act %q", name)
	}
	err := errors.New("there is no cluster " + on)
	s.change(func() {
		if c := s.find(on); c != nil {
			act(c, n)
			err = nil
		}
	})
	return err
}
