package clustername

import (
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
)

func TestNames(t *testing.T) {
	for _, tc := range []struct {
		contexts []string
		want     map[string]string
	}{
		{[]string{"prod", "dev.example.com"}, map[string]string{"prod": "prod", "dev.example.com": "dev.example.com"}},
		{[]string{"arn:aws:eks:eu-west-1:123456789012:cluster/Prod"}, map[string]string{"arn:aws:eks:eu-west-1:123456789012:cluster/Prod": "prod"}},
		{
			[]string{"arn:aws:eks:eu-west-1:1:cluster/prod", "arn:aws:eks:us-east-1:1:cluster/prod"},
			map[string]string{"arn:aws:eks:eu-west-1:1:cluster/prod": "prod", "arn:aws:eks:us-east-1:1:cluster/prod": "arn-aws-eks-us-east-1-1-cluster-prod"},
		},
		// A valid name is kept, whatever comes first.
		{[]string{"arn:aws:eks:eu-west-1:1:cluster/prod", "prod"}, map[string]string{"arn:aws:eks:eu-west-1:1:cluster/prod": "arn-aws-eks-eu-west-1-1-cluster-prod", "prod": "prod"}},
		{[]string{"gke_shop_europe-west1-b_main"}, map[string]string{"gke_shop_europe-west1-b_main": "gke-shop-europe-west1-b-main"}},
		{[]string{"shop/api.example:6443/kube:admin"}, map[string]string{"shop/api.example:6443/kube:admin": "shop-api.example-6443-kube-admin"}},
		{[]string{"Kind Dev", "kind/dev", "kind-dev"}, map[string]string{"kind-dev": "kind-dev", "Kind Dev": "kind-dev-2", "kind/dev": "kind-dev-3"}},
		{[]string{"10.0.0.1"}, map[string]string{"10.0.0.1": "10-0-0-1"}},
		{[]string{"-_.", "日本"}, map[string]string{"-_.": "cluster", "日本": "cluster-2"}},
	} {
		if got := Of(tc.contexts); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%q: got %q, want %q", tc.contexts, got, tc.want)
		}
	}
}

func FuzzNames(f *testing.F) {
	f.Add("arn:aws:eks:eu-west-1:1:cluster/prod", "Prod")
	f.Add(strings.Repeat("a", 400), strings.Repeat("A", 400))
	f.Fuzz(func(t *testing.T, a, b string) {
		names := Of([]string{a, b})
		if a != b && names[a] == names[b] {
			t.Errorf("%q and %q are both %q", a, b, names[a])
		}
		for _, name := range names {
			if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 || len(name) > maxLength {
				t.Errorf("%q: %q", name, problems)
			}
		}
	})
}
