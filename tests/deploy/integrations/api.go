// Package integrations pins the APIs of projects that the examples of integrations are for.
//
// `make integrations` generates the definitions of their kinds from these packages, by the tool with which the projects
// themselves do.
package integrations

import (
	_ "github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	_ "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	_ "github.com/fluxcd/flagger/pkg/apis/flagger/v1beta1"
	_ "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	_ "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
)
