package manifests

import (
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	policyv1 "k8s.io/api/policy/v1"
)

func TestMasterHASharesClustersByRedis(t *testing.T) {
	r := overlay(t, masterHA)
	all := objects[appsv1.Deployment](t, r, "Deployment")
	if len(all) != 1 {
		t.Fatalf("got %d Deployments, want one", len(all))
	}
	spec := all[0].Spec
	if *spec.Replicas != 3 || spec.Strategy.Type != appsv1.RollingUpdateDeploymentStrategyType || *spec.Template.Spec.TerminationGracePeriodSeconds != 30 {
		t.Errorf("got %d replicas, strategy %s and %d s to stop", *spec.Replicas, spec.Strategy.Type, *spec.Template.Spec.TerminationGracePeriodSeconds)
	}
	c := spec.Template.Spec.Containers[0]
	if !slices.Contains(c.Args, "--cache=$(CACHE_URL)") {
		t.Errorf("got the flags %q, want the Redis of CACHE_URL", c.Args)
	}
	var env []string
	for _, e := range c.Env {
		env = append(env, e.Name)
		if e.Name == "CACHE_URL" && (e.ValueFrom.SecretKeyRef.Name != "rollcall-redis" || e.ValueFrom.SecretKeyRef.Key != "url") {
			t.Errorf("got CACHE_URL from %+v", e.ValueFrom)
		}
	}
	for _, name := range []string{"POD_NAME", "POD_UID", "CACHE_URL"} {
		if !slices.Contains(env, name) {
			t.Errorf("got the environment %q, want also %s", env, name)
		}
	}
	budgets := objects[policyv1.PodDisruptionBudget](t, r, "PodDisruptionBudget")
	if len(budgets) != 1 || budgets[0].Spec.MaxUnavailable.IntValue() != 1 {
		t.Errorf("got the budgets %+v, want one that allows one master to be unavailable", budgets)
	}
}

// masterHA is an overlay with the component master-ha, as the component's comment describes it.
const masterHA = `
resources: [CONFIG/master]
components: [CONFIG/components/master-ha]
`
