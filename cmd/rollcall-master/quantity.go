package main

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"
)

// quantity is a number of bytes in the notation of Kubernetes: 512Mi, 1G, 1000.
type quantity int64

// Set implements pflag.Value.
func (q *quantity) Set(s string) error {
	parsed, err := resource.ParseQuantity(s)
	if err != nil {
		return fmt.Errorf("%q is not an amount such as 512Mi or 1G", s)
	}
	*q = quantity(parsed.Value())
	return nil
}

// String implements pflag.Value.
func (q *quantity) String() string {
	return resource.NewQuantity(int64(*q), resource.BinarySI).String()
}

// Type implements pflag.Value.
func (q *quantity) Type() string { return "quantity" }
