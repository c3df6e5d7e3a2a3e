module github.com/crossplane-contrib/function-argocd-cluster/tools/schemas

go 1.26.6

require (
	github.com/upbound/provider-aws/v2 v2.5.0
	github.com/upbound/provider-azure/v2 v2.6.0
	github.com/upbound/provider-gcp v1.14.0
	sigs.k8s.io/cluster-api v1.14.2
)
