// Package v1beta1 is the input of function-argocd-cluster: what a Composition's
// author says about the registration of a cluster with Argo CD.
//
// Crossplane never installs or enforces the CustomResourceDefinition made of
// these types. The kubebuilder markers serve editors and the documentation;
// Default, and the validation in package main, are what counts when the function runs.
//
// +kubebuilder:object:generate=true
// +groupName=argocd.fn.crossplane.io
// +versionName=v1beta1
package v1beta1
