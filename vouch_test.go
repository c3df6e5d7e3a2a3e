package main

import (
	"strings"
	"testing"
)

// TestOwnIdentity has Argo CD authenticate by its own cloud identity. Its token goes only to
// a server that the Composition's author or the cloud's provider names.
func TestOwnIdentity(t *testing.T) {
	const aksServer = "https://demo-dns-1a2b3c4d.hcp.westeurope.azmk8s.io:443"
	none := kubeconfigOf(gkeServer, "")
	kubelogin := func(server, args string) string {
		return kubeconfigOf(server, "exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: kubelogin, args: [get-token, "+args+"]}")
	}
	with := func(kubeconfig, cluster string) string {
		return strings.Replace(kubeconfig, "cluster: {server", "cluster: {"+cluster+", server", 1)
	}
	status := func(status string) string {
		return "{apiVersion: container.gcp.upbound.io/v1beta1, kind: Cluster, status: {atProvider: {" + status + "}}}"
	}
	eks := func(kubeconfig string) map[string]observation {
		o := of(eksClusterAuth, kubeconfig)
		o["eks"] = observation{resource: eksCluster}
		return o
	}
	cases := map[string]struct {
		reason   string
		input    string
		xr       string
		observed map[string]observation

		// desired is the XR that an earlier step desires.
		desired string

		// message is of the condition where nothing is composed.
		message string
	}{
		"GKEEndpoint":        {reason: "We should trust the endpoint in GKE's status.", observed: of(gke, none)},
		"GKEBeta":            {reason: "We should know the beta provider's groups.", observed: of("{apiVersion: container.gcp-beta.m.upbound.io/v1beta1, kind: Cluster, status: {atProvider: {endpoint: 34.10.20.30}}}", none)},
		"GKEPrivateEndpoint": {reason: "We should trust a private endpoint.", observed: of(status("endpoint: 1.2.3.4, privateClusterConfig: [{privateEndpoint: 34.10.20.30}]"), none)},
		"GKEPublicEndpoint":  {reason: "We should trust a public endpoint.", observed: of(status("privateClusterConfig: [{publicEndpoint: 34.10.20.30}]"), none)},
		"GKEStructs":         {reason: "We should read schemas without lists, too.", observed: of(status("privateClusterConfig: {publicEndpoint: 34.10.20.30}"), none)},
		"GKEDNSEndpoint":     {reason: "We should trust a DNS endpoint.", observed: of(gke, kubeconfigOf("https://gke-0123456789abcdef-123456789012.europe-west8.gke.goog", ""))},
		"GKEOtherServer":     {reason: "We should not send a token to a server that the status does not name.", observed: of(gke, kubeconfigOf(attacker, "")), message: "the server is not one that status.atProvider of composed resource cluster names"},
		"GKEOtherPort":       {reason: "We should not send a token to another port.", observed: of(gke, kubeconfigOf(gkeServer+":8443", "")), message: "is not one that"},
		"GKEPath":            {reason: "We should not send a token to a path.", observed: of(gke, kubeconfigOf(gkeServer+"/x", "")), message: "is not one that"},
		"GKENoStatus":        {reason: "We should wait for a status.", observed: of(status(""), none), message: "does not name the cluster's server"},
		"GKESuffix":          {reason: "We should not trust a server that only begins like the endpoint.", observed: of(gke, kubeconfigOf("https://34.10.20.30.attacker.example.org", "")), message: "is not one that"},
		"GKELookalike":       {reason: "We should not trust a group that only begins like GKE's.", observed: of("{apiVersion: container.gcp.example.org/v1, kind: Cluster, status: {atProvider: {endpoint: 34.10.20.30}}}", none), message: "has no credentials"},
		"GKEProxy":           {reason: "We should not send a token through a kubeconfig's proxy.", observed: of(gke, with(none, "proxy-url: 'https://proxy.attacker.example.org'")), message: "set cluster.proxyURL"},
		"GKETLSServerName":   {reason: "We should not accept a kubeconfig's name for the server.", observed: of(gke, with(none, "tls-server-name: attacker.example.org")), message: "set cluster.tlsServerName"},
		"GKEAuthorsProxy":    {reason: "We should use the author's proxy.", input: "cluster: {proxyURL: 'http://proxy.example.org:3128', tlsServerName: kubernetes.example.org}", observed: of(gke, with(none, "proxy-url: 'https://proxy.attacker.example.org'"))},
		"GKEPluginOfSecret":  {reason: "We should not send a token to a server that only a kubeconfig names.", observed: of(bucket, kubeconfigOf(attacker, "exec: {command: gke-gcloud-auth-plugin}")), message: "o trusted source confirms the server"},
		"LiteralServer":      {reason: "We should trust the author's server.", input: "cluster: {server: '" + gkeServer + "'}", observed: of(bucket, kubeconfigOf(attacker, "exec: {command: gke-gcloud-auth-plugin}"))},
		"EnvironmentServer":  {reason: "We should trust the environment's server.", input: "cluster: {serverFrom: {type: FromEnvironmentFieldPath, fieldPath: cluster.endpoint}}", observed: of(bucket, kubeconfigOf(attacker, "exec: {command: gke-gcloud-auth-plugin}"))},
		"DesiredStatus":      {reason: "We should trust a status field that an earlier step desires.", input: "cluster: {serverFrom: {fieldPath: status.endpoint}}", desired: "status: {endpoint: 34.10.20.30}", observed: of(bucket, kubeconfigOf(attacker, "exec: {command: gke-gcloud-auth-plugin}"))},
		"ObservedStatus":     {reason: "We should not trust the observed status, because the XR's user can write it.", input: "cluster: {serverFrom: {fieldPath: status.endpoint}}", xr: legacyXR + "status: {endpoint: attacker.example.org}\n", observed: of(gke, none), message: "is not one that"},
		"ObservedSpec":       {reason: "We should not trust the XR's spec.", input: "cluster: {serverFrom: {fieldPath: spec.parameters.apiserver}}", observed: of(gke, none), message: "is not one that"},
		"ExplicitType":       {reason: "We should trust a source that only the author chose, with the type that the author set.", input: "credentials: {type: GCP}", observed: of(bucket, none)},
		"ExplicitTypeOfGKE":  {reason: "We should check a cloud's source even if the type is set.", input: "credentials: {type: GCP}", observed: of(gke, kubeconfigOf(attacker, "")), message: "is not one that"},
		"ExplicitAzure":      {reason: "We should check AKS, too.", input: "credentials: {type: Azure}", observed: of(aks, kubeconfigOf(attacker, "")), message: "is not one that"},
		"AKS":                {reason: "We should trust the name in AKS's status.", observed: of(aks, kubelogin(aksServer, ""))},
		"AKSServerID":        {reason: "We should not ask for a token for another application, because it could be Azure Resource Manager's.", observed: of(aks, kubelogin(aksServer, "--server-id, 797f4846-ba00-4fd7-ba43-dac1f8f63013")), message: "credentials.azure.serverID"},
		"AKSServerIDUpper":   {reason: "We should know AKS's own application in any case.", observed: of(aks, kubelogin(aksServer, "--server-id, 6DAE42F8-4368-4678-94FF-3960E28E3630"))},
		"AKSOtherServer":     {reason: "We should not send an Azure token to another server.", observed: of(aks, kubelogin(attacker, "")), message: "is not one that"},
		"EKS":                {reason: "We should trust the endpoint of the composed EKS cluster that the token is for.", observed: eks(kubeconfigOf(eksServer, eksExec))},
		"EKSOtherServer":     {reason: "We should not send an AWS token to another server.", observed: eks(kubeconfigOf(attacker, eksExec)), message: "is not one that"},
		"EKSOtherCluster":    {reason: "We should not send another cluster's token, because its owner could use it there.", observed: eks(kubeconfigOf(eksServer, strings.Replace(eksExec, "demo", "prod", 1))), message: "does not name the cluster's server"},
		"EKSNotComposed":     {reason: "We should not guess where an EKS cluster is.", observed: of(eksClusterAuth, kubeconfigOf(eksServer, eksExec)), message: "does not name the cluster's server"},
		"EKSExplicit":        {reason: "We should check a ClusterAuth's server even if the type is set.", input: "credentials: {type: AWS, aws: {clusterName: demo}}", observed: eks(kubeconfigOf(attacker, "token: fake-token")), message: "is not one that"},
		"EKSExplicitGood":    {reason: "We should trust the endpoint with type AWS.", input: "credentials: {type: AWS, aws: {clusterName: demo}}", observed: eks(kubeconfigOf(eksServer, "token: fake-token"))},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			xr := tc.xr
			if xr == "" {
				xr = legacyXR
			}
			h := plainHub(xr, "", tc.input)
			h.resources = tc.observed
			req := h.request(t)
			if tc.desired != "" {
				req.Desired.Composite.Resource = mustStruct(t, tc.desired)
			}
			s := summarize(t, h.run(t, req), "argocd-cluster")
			if tc.message == "" {
				if s.Composed == nil {
					t.Errorf("%s\nnothing composed: %s%s: %s", tc.reason, s.Fatal, s.Condition, s.Message)
				}
				return
			}
			if s.Composed != nil || !says(s.Message, tc.message) {
				t.Errorf("%s\nwant nothing composed, and %q, got %s%s: %s", tc.reason, tc.message, s.Fatal, s.Condition, s.Message)
			}
		})
	}
}

// TestOtherCloud has one cloud's resource vouch for another cloud's token.
func TestOtherCloud(t *testing.T) {
	cases := map[string]struct{ reason, resource, kubeconfig, input string }{
		"AWSToGKE":          {"We should not send an AWS token to a GKE cluster.", gke, kubeconfigOf(gkeServer, strings.Replace(eksExec, "demo", "prod", 1)), ""},
		"GoogleToAKS":       {"We should not send a Google token to an AKS cluster.", aks, kubeconfigOf("https://demo-dns-1a2b3c4d.hcp.westeurope.azmk8s.io", "exec: {command: gke-gcloud-auth-plugin}"), ""},
		"AzureToGKE":        {"We should not send an Azure token to a GKE cluster.", gke, kubeconfigOf(gkeServer, "exec: {command: kubelogin, args: [get-token]}"), ""},
		"GoogleToAKSByType": {"We should not send a Google token to an AKS cluster even if the author chose the type.", aks, kubeconfigOf("https://demo-dns-1a2b3c4d.hcp.westeurope.azmk8s.io", ""), "credentials: {type: GCP}"},
	}
	for name, tc := range cases {
		for kind, output := range outputs() {
			t.Run(name+"Of"+kind, func(t *testing.T) {
				h := plainHub(legacyXR, "", tc.input+output)
				h.resources = of(tc.resource, tc.kubeconfig)
				if s := h.reconcile(t); s.Composed != nil || verdict(s) != "FALSE/UnsupportedCredentials" {
					t.Errorf("%s\n%s%s: %s", tc.reason, s.Fatal, s.Condition, s.Message)
				}
			})
		}
	}
}
