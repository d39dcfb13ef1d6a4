// Package conformance runs the official Gateway API conformance suite against the cluster that KUBECONFIG names.
package conformance

import (
	"testing"

	"sigs.k8s.io/gateway-api/conformance"
)

// TestConformance holds that Headgate does what the specification says; the flags are the suite's own.
func TestConformance(t *testing.T) {
	conformance.RunConformanceWithOptions(t, conformance.DefaultOptions(t))
}
