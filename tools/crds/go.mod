module github.com/crossplane-contrib/function-argocd-cluster/tools/crds

go 1.27.1

// Neither is run: make validate reads their CRDs. These lines keep go mod tidy from dropping them.
tool (
	github.com/fluxcd/kustomize-controller
	open-cluster-management.io/api/feature
)

require (
	github.com/fluxcd/kustomize-controller v1.10.1
	open-cluster-management.io/api v1.3.0
)
