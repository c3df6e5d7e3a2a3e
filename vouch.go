package main

import (
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"

	"github.com/crossplane-contrib/function-argocd-cluster/internal/kubeconfig"
)

// The clouds whose providers say in a cluster's status which servers it has.
const (
	cloudAWS   = "AWS"
	cloudAzure = "Azure"
	cloudGCP   = "GCP"
)

// cloudOf returns the cloud whose provider manages a resource, in either scope; empty if it
// is another's.
func cloudOf(res *fnv1.Resource) string {
	g := group(textOf(res, "apiVersion"))
	name, ok := strings.CutSuffix(g, ".upbound.io")
	if !ok {
		if name, ok = strings.CutSuffix(g, ".crossplane.io"); !ok {
			return ""
		}
	}
	switch strings.TrimSuffix(name, ".m") {
	case "container.gcp", "container.gcp-beta":
		return cloudGCP
	case "containerservice.azure":
		return cloudAzure
	case "eks.aws":
		return cloudAWS
	}
	return ""
}

// clouds are the observed composed resources.
type clouds map[string]*fnv1.Resource

// servers returns the hosts and ports at which a cloud's provider says that the source's
// cluster is, and what says so; empty if the source is not of that cloud. eks is the EKS
// cluster that a token is for.
func (c clouds) servers(src source, cloud, eks string) (hosts []string, says string) {
	switch {
	case cloudOf(src.resource) != cloud:
		return nil, ""
	case cloud == cloudAWS:
		// A ClusterAuth names no server, and a token is only for the cluster that it names.
		return c.all(cloud, eks), "status.atProvider of the composed EKS cluster that the token is for"
	}
	return serversOf(src.resource), "status.atProvider of composed resource " + src.resourceName
}

// all returns the hosts and ports at which a cloud's provider says that any composed cluster
// is; of AWS, only the one that a token is for.
func (c clouds) all(cloud, eks string) []string {
	var hosts []string
	for _, res := range c.of(cloud) {
		isToken := isEKSCluster(res) && eks != "" && textOf(res, "metadata", "annotations", "crossplane.io/external-name") == eks
		if cloud != cloudAWS || isToken {
			hosts = append(hosts, serversOf(res)...)
		}
	}
	return hosts
}

// of returns the resources of a cloud.
func (c clouds) of(cloud string) []*fnv1.Resource {
	var out []*fnv1.Resource
	for _, n := range slices.Sorted(maps.Keys(c)) {
		if cloudOf(c[n]) == cloud {
			out = append(out, c[n])
		}
	}
	return out
}

// eksServers returns the hosts and ports at which AWS's provider says that any composed EKS cluster
// is.
func (c clouds) eksServers() []string {
	var hosts []string
	for _, res := range c.of(cloudAWS) {
		if isEKSCluster(res) {
			hosts = append(hosts, serversOf(res)...)
		}
	}
	return hosts
}

func isEKSCluster(res *fnv1.Resource) bool {
	return cloudOf(res) == cloudAWS && textOf(res, "kind") == "Cluster"
}

// serversOf returns the hosts and ports that a cluster's status names.
func serversOf(cluster *fnv1.Resource) []string {
	cloud := cloudOf(cluster)
	if cloud == "" {
		return nil
	}
	status := structAt(resourceOf(cluster), "status", "atProvider")
	var servers []string
	switch cloud {
	case cloudGCP:
		servers = append(servers, stringAt(status, "endpoint"))
		for _, p := range elements(status, "privateClusterConfig") {
			servers = append(servers, stringAt(p, "privateEndpoint"), stringAt(p, "publicEndpoint"))
		}
		for _, e := range elements(status, "controlPlaneEndpointsConfig") {
			for _, d := range elements(e, "dnsEndpointConfig") {
				servers = append(servers, stringAt(d, "endpoint"))
			}
		}
	case cloudAzure:
		servers = append(servers, stringAt(status, "fqdn"), stringAt(status, "privateFqdn"), stringAt(status, "portalFqdn"))
	case cloudAWS:
		servers = append(servers, stringAt(status, "endpoint"))
	}
	var hosts []string
	for _, s := range servers {
		// A provider may not have filled it in yet.
		if server, err := kubeconfig.Server(s); s != "" && err == nil {
			hosts = append(hosts, hostPort(server))
		}
	}
	return hosts
}

// elements returns the structs of a list, which some providers' schemas have as one struct.
func elements(s *structpb.Struct, field string) []*structpb.Struct {
	v := s.GetFields()[field]
	if one := v.GetStructValue(); one != nil {
		return []*structpb.Struct{one}
	}
	values := v.GetListValue().GetValues()
	out := make([]*structpb.Struct, 0, len(values))
	for _, v := range values {
		out = append(out, v.GetStructValue())
	}
	return out
}

// hostPort returns the host and port of a server's URL. A URL with a path, or with a host that
// can be read in two ways, is returned as it is: a cloud's servers have neither.
func hostPort(server string) string {
	u, err := url.Parse(server)
	host := kubeconfig.Hostname(server)
	if err != nil || strings.Trim(u.Path, "/") != "" || !strings.EqualFold(strings.TrimSuffix(u.Hostname(), "."), host) {
		return server
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return net.JoinHostPort(host, port)
}
