package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// actions has the changes of a cluster that tests can make, by name. Some use the number n.
var actions = map[string]func(c *cluster, n int){
	"crash":           func(c *cluster, _ int) { c.state.crash("web", 10*time.Minute); c.reported = time.Time{} },
	"heal":            func(c *cluster, _ int) { c.state.endCrash("web"); c.reported = time.Time{} },
	"add-pods":        func(c *cluster, n int) { c.state.addFirstPods(n); c.reported = time.Time{} },
	"add-node-port":   func(c *cluster, n int) { c.state.addNodePort(uint16(n)); c.reported = time.Time{} },
	"lose-node":       func(c *cluster, n int) { c.state.loseNode(n); c.reported = time.Time{} },
	"hostile-changes": func(c *cluster, _ int) { c.state.changeToHostile(); c.reported = time.Time{} },
	"stop-reports":    func(c *cluster, _ int) { c.silent = true },
	"start-reports":   func(c *cluster, _ int) { c.silent = false },
	"fail": func(c *cluster, _ int) {
		c.unreachable = "dial wss://10.20.0.9:7443: no answer within 10s"
	},
	"recover": func(c *cluster, _ int) { c.unreachable = "" },
	"suspend": func(c *cluster, _ int) { c.Suspended = true },
	"resume":  func(c *cluster, _ int) { c.Suspended = false },
	"answer":  func(c *cluster, _ int) { c.neverReports = false },
	"usage": func(c *cluster, _ int) {
		c.usage, c.reports = true, 0
		c.state.sections[state.SectionUsage] = state.SectionStatus{Live: true}
		c.reported = time.Time{}
	},
	// A restarted agent has a new epoch. Here it also finds one more node.
	"restart-agent": func(c *cluster, _ int) {
		usage := c.usage
		c.state = newClusterState(c.Name, c.state.nodes+1, 1)
		c.state.State.Epoch++
		c.usage, c.reported = usage, time.Time{}
	},
}

// control serves the control API of tests: POST /fake?action=…&cluster=…&n=… runs an action,
// and GET /fake returns the names of watched clusters.
func (s *sessions) control(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		w.Header().Set("Content-Type", "application/json")
		// Encode fails only if the client has disconnected.
		_ = json.NewEncoder(w).Encode(s.watched())
		return
	}
	if err := s.runAction(r.FormValue("action"), r.FormValue("cluster"), r.FormValue("n")); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

// runAction runs an action on a cluster. It returns an error if either is unknown.
func (s *sessions) runAction(name, clusterName, number string) error {
	n, _ := strconv.Atoi(number)
	action := actions[name]
	if action == nil {
		return fmt.Errorf("unknown action %q", name)
	}
	err := fmt.Errorf("unknown cluster %q", clusterName)
	s.change(func() {
		if c := s.find(clusterName); c != nil {
			action(c, n)
			err = nil
		}
	})
	return err
}
