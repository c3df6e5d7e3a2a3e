// Package schemas pins modules for the CRDs in them.
package schemas

import (
	// Of each module a package that imports nothing, so that none of its dependencies is needed.
	_ "github.com/upbound/provider-aws/v2/hack"
	_ "github.com/upbound/provider-azure/v2/hack"
	_ "github.com/upbound/provider-gcp/hack"
	_ "sigs.k8s.io/cluster-api/controllers"
)
