package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const aksServer = "https://demo-dns-1a2b3c4d.hcp.westeurope.azmk8s.io:443"

// gcloud returns a kubeconfig of a server, whose user is Google's plugin.
func gcloud(server string) string {
	return kubeconfigOf(server, "exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: gke-gcloud-auth-plugin}")
}

// kubelogin returns a kubeconfig of a server, whose user is Azure's plugin.
func kubelogin(server, args string) string {
	return kubeconfigOf(server, "exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: kubelogin, args: [get-token, "+args+"]}")
}

// inCluster adds to the cluster of a kubeconfig.
func inCluster(kubeconfig, more string) string {
	return strings.Replace(kubeconfig, "cluster: {server", "cluster: {"+more+", server", 1)
}

// eksAuth returns an EKS cluster, and the resource that publishes its kubeconfig.
func eksAuth(kubeconfig string) map[string]observation {
	o := of(eksClusterAuth, kubeconfig)
	o["eks"] = observation{resource: eksCluster}
	return o
}

// TestConfirmed checks that Argo CD connects by its own cloud identity to a server that a
// trusted source confirms: the Composition, or the cluster's status, which only the cloud's
// provider writes.
func TestConfirmed(t *testing.T) {
	const (
		azureConfig = `{"tlsClientConfig":{"insecure":false},"execProviderConfig":{"command":"argocd-k8s-auth","args":["azure"],"apiVersion":"client.authentication.k8s.io/v1beta1"}}`
		awsConfig   = `{"tlsClientConfig":{"insecure":false},"awsAuthConfig":{"clusterName":"demo"}}`
	)
	none := kubeconfigOf(gkeServer, "")
	beta := func(group string) string {
		return strings.Replace(gke, "container.gcp.m.upbound.io", group, 1)
	}
	golden := func(name string) string { return strings.TrimSpace(sample(t, name)) }
	cases := map[string]struct {
		reason   string
		input    string
		observed map[string]observation

		// desired is the XR that an earlier step desires.
		desired string

		// server and config are what the Secret has, by default those of GKE.
		server, config string
	}{
		"GKEEndpoint":         {reason: "We should trust the endpoint in GKE's status, because only the provider writes it.", observed: of(gke, none)},
		"GKEPlugin":           {reason: "We should translate Google's plugin, because GKE's status has the server.", observed: of(gke, sample(t, "kc-gke-gcloud-exec.yaml")), config: golden("argocd-config-gke-exec.json")},
		"GKEBeta":             {reason: "We should know GKE of the beta provider, because it publishes the same.", observed: clusterOf(beta("container.gcp-beta.upbound.io"), connectionDetails(t, "conn-gke.yaml")), config: golden("argocd-config-gke-exec.json")},
		"GKEBetaNamespaced":   {reason: "We should know the namespaced GKE of the beta provider, because it publishes the same.", observed: clusterOf(beta("container.gcp-beta.m.upbound.io"), connectionDetails(t, "conn-gke.yaml")), config: golden("argocd-config-gke-exec.json")},
		"GKEClusterScoped":    {reason: "We should know the cluster-scoped provider's group, because its status has the same fields.", observed: of(beta("container.gcp.upbound.io"), none)},
		"GKEPrivateEndpoint":  {reason: "We should trust a private endpoint, because GKE's status has it.", observed: of(gkeWith("endpoint: 1.2.3.4, privateClusterConfig: [{privateEndpoint: 34.10.20.30}]"), none)},
		"GKEPublicEndpoint":   {reason: "We should trust a public endpoint, because GKE's status has it.", observed: of(gkeWith("privateClusterConfig: [{publicEndpoint: 34.10.20.30}]"), none)},
		"GKEWithoutLists":     {reason: "We should read a status without lists, because some providers' schemas have one struct.", observed: of(gkeWith("privateClusterConfig: {publicEndpoint: 34.10.20.30}"), none)},
		"GKEDNSEndpoint":      {reason: "We should trust a DNS endpoint, because GKE's status has it.", observed: of(gke, kubeconfigOf("https://gke-0123456789abcdef-123456789012.europe-west8.gke.goog", "")), server: "https://gke-0123456789abcdef-123456789012.europe-west8.gke.goog"},
		"AKS":                 {reason: "We should trust the name in AKS's status, because only the provider writes it.", observed: of(aks, kubelogin(aksServer, "")), server: aksServer, config: azureConfig},
		"AKSServerIDUpper":    {reason: "We should know AKS's own application in capitals, because a UUID is the same in both.", observed: of(aks, kubelogin(aksServer, "--server-id, 6DAE42F8-4368-4678-94FF-3960E28E3630")), server: aksServer, config: strings.Replace(azureConfig, `],"api`, `],"env":{"AAD_SERVER_APPLICATION_ID":"6DAE42F8-4368-4678-94FF-3960E28E3630"},"api`, 1)},
		"EKS":                 {reason: "We should trust the endpoint of the composed EKS cluster, because the token is for that cluster.", observed: eksAuth(kubeconfigOf(eksServer, eksExec)), server: eksServer, config: awsConfig},
		"EKSWithRegion":       {reason: "We should translate the AWS CLI with its region, because the EKS cluster that the token is for has the server.", observed: map[string]observation{"cluster": {resource: clusterAuth, details: kubeconfigDetails(t, "kc-eks-awscli-plain.yaml")}, "eks": {resource: eks}}, server: "https://0123456789ABCDEF0123456789ABCDEF.gr7.eu-west-1.eks.amazonaws.com", config: golden("argocd-config-eks-exec-region.json")},
		"EKSByType":           {reason: "We should trust the endpoint of the EKS cluster that the author names, because EKS's status has it.", input: "credentials: {type: AWS, aws: {clusterName: demo}}", observed: eksAuth(kubeconfigOf(eksServer, "token: fake-token")), server: eksServer, config: awsConfig},
		"SourceOfAuthor":      {reason: "We should trust a source of no cloud, because the author set the type.", input: "credentials: {type: GCP}", observed: of(bucket, none)},
		"LiteralServer":       {reason: "We should trust the author's server, because only the author writes the input.", input: "cluster: {server: '" + gkeServer + "'}", observed: of(bucket, gcloud(attacker))},
		"EnvironmentServer":   {reason: "We should trust the environment's server, because only the author fills it.", input: "cluster: {serverFrom: {type: FromEnvironmentFieldPath, fieldPath: cluster.endpoint}}", observed: of(bucket, gcloud(attacker)), server: "https://west.example.org"},
		"EnvironmentOfAKS":    {reason: "We should prefer the environment's server to AKS's own, because it may be a private one.", input: "cluster: {serverFrom: {type: FromEnvironmentFieldPath, fieldPath: cluster.endpoint}}", observed: clusterOf(aks, connectionDetails(t, "conn-aks-aad.yaml")), server: "https://west.example.org", config: golden("argocd-config-aks-exec.json")},
		"DesiredStatus":       {reason: "We should trust a status field that an earlier step desires, because the XR's user cannot write that.", input: "cluster: {serverFrom: {fieldPath: status.endpoint}}", desired: "status: {endpoint: 34.10.20.30}", observed: of(bucket, gcloud(attacker))},
		"DesiredStatusOfAKS":  {reason: "We should prefer a server that an earlier step desires to AKS's own, because it may be a private one.", input: "cluster: {serverFrom: {fieldPath: status.server}}", desired: "status: {server: private.example.org}", observed: clusterOf(aks, connectionDetails(t, "conn-aks-aad.yaml")), server: "https://private.example.org", config: golden("argocd-config-aks-exec.json")},
		"ProxyAndNameOfInput": {reason: "We should use the author's proxy and TLS name, because the kubeconfig's may be edited.", input: "cluster: {proxyURL: 'http://proxy.example.org:3128', tlsServerName: kubernetes.example.org}", observed: of(gke, inCluster(none, "proxy-url: 'https://proxy.attacker.example.org'")), config: strings.TrimSuffix(strings.Replace(gcpConfig, "false", `false,"serverName":"kubernetes.example.org"`, 1), "}") + `,"proxyUrl":"http://proxy.example.org:3128"}`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := plainHub(legacyXR, "", tc.input)
			h.resources, h.desired = tc.observed, tc.desired
			want := map[string]string{"name": "prod-x7k2p", "server": gkeServer, "config": gcpConfig}
			if tc.server != "" {
				want["server"] = tc.server
			}
			if tc.config != "" {
				want["config"] = tc.config
			}
			if diff := cmp.Diff(want, dataOf(secretOf(t, h.reconcile(t)))); diff != "" {
				t.Errorf("%s\n-want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestUnconfirmed checks that Argo CD sends no token of its own to a server that no trusted
// source confirms, nor for another cluster, application or proxy than the author's.
func TestUnconfirmed(t *testing.T) {
	const (
		notNamed  = "the server is not one that status.atProvider of composed resource cluster names, so Argo CD does not send it a token of its own "
		noServer  = "status.atProvider of composed resource cluster does not name the cluster's server, so Argo CD does not send it a token of its own GCP identity"
		noEKS     = "status.atProvider of the composed EKS cluster that the token is for does not name the cluster's server, so Argo CD does not send it a token of its own AWS identity"
		otherEKS  = "the server is not one that status.atProvider of the composed EKS cluster that the token is for names, so Argo CD does not send it a token of its own AWS identity"
		untrusted = "no trusted source confirms the server, so Argo CD does not send it a token of its own "
		noToken   = "so Argo CD does not send it a token of its own "
		nothing   = "has no credentials"
	)
	none := kubeconfigOf(gkeServer, "")
	ofGKE := func(resource string) string { return strings.Replace(gke, "container.gcp.m.upbound.io", resource, 1) }
	aad := clusterOf(aks, connectionDetails(t, "conn-aks-aad.yaml"))
	xrWith := func(field string) string { return legacyXR + "    " + field + "\n" }
	xrOfGKE := strings.Replace(legacyXR, "platform.example.org", "container.gcp.upbound.io", 1)
	setServer := " identity. Set cluster.server to the server's URL, or set credentials.type to "

	cases := map[string]struct {
		reason   string
		input    string
		observed map[string]observation
		message  string

		// xr is by default legacyXR, and details are its own connection details.
		xr      string
		details map[string]string
	}{
		"GKEOtherServer":        {reason: "We should believe GKE's status and not the kubeconfig, because a tenant may edit the connection Secret.", observed: of(gke, kubeconfigOf(attacker, "")), message: notNamed + "GCP identity"},
		"GKEOtherPort":          {reason: "We should not send a token to another port, because another program may listen there.", observed: of(gke, kubeconfigOf(gkeServer+":8443", "")), message: notNamed + "GCP identity"},
		"GKEPath":               {reason: "We should not send a token to a path, because GKE's servers have none.", observed: of(gke, kubeconfigOf(gkeServer+"/x", "")), message: notNamed + "GCP identity"},
		"GKESuffix":             {reason: "We should not trust a server that only begins like the endpoint, because its owner may be anyone.", observed: of(gke, kubeconfigOf(gkeServer+".attacker.example.org", "")), message: notNamed + "GCP identity"},
		"GKENoStatus":           {reason: "We should wait for GKE's status, because only it confirms the server.", observed: clusterOf("{apiVersion: container.gcp.upbound.io/v1beta1, kind: Cluster}", kubeconfigDetails(t, "kc-gke-upjet-nocreds.yaml")), message: noServer},
		"GKEEmptyStatus":        {reason: "We should wait for GKE's status, because only it confirms the server.", observed: of(gkeWith(""), none), message: noServer},
		"GKEProxy":              {reason: "We should not send a token through a kubeconfig's proxy, because the proxy could read it.", observed: of(gke, inCluster(none, "proxy-url: 'http://proxy.attacker.example.org:3128'")), message: "the kubeconfig sets proxy-url, which could make Argo CD send a token of its own GCP identity to another server. Set cluster.proxyURL"},
		"GKETLSServerName":      {reason: "We should not take a TLS server name from the kubeconfig, because another server could have it.", observed: of(gke, inCluster(none, "tls-server-name: canary.example.org")), message: "the kubeconfig sets tls-server-name, which could make Argo CD send a token of its own GCP identity to another server. Set cluster.tlsServerName"},
		"GKEByType":             {reason: "We should check GKE's status even if the author set the type, because the kubeconfig may be edited.", input: "credentials: {type: GCP}", observed: of(gke, kubeconfigOf(attacker, "")), message: notNamed + "GCP identity"},
		"AKSOtherServer":        {reason: "We should not send an Azure token to another server, because AKS's status does not name it.", observed: of(aks, kubelogin(attacker, "")), message: notNamed + "Azure identity"},
		"AKSByType":             {reason: "We should check AKS's status even if the author set the type, because the kubeconfig may be edited.", input: "credentials: {type: Azure}", observed: of(aks, kubeconfigOf(attacker, "")), message: notNamed + "Azure identity"},
		"AKSServerID":           {reason: "We should not ask for a token for another application, because it could be Azure Resource Manager's.", observed: of(aks, kubelogin(aksServer, "--server-id, 797f4846-ba00-4fd7-ba43-dac1f8f63013")), message: "credentials.azure.serverID"},
		"EKSOtherServer":        {reason: "We should not send an AWS token to another server, because EKS's status does not name it.", observed: eksAuth(kubeconfigOf(attacker, eksExec)), message: otherEKS},
		"EKSOtherCluster":       {reason: "We should not send another cluster's token, because its owner could use it there.", observed: eksAuth(kubeconfigOf(eksServer, strings.Replace(eksExec, "demo", "prod", 1))), message: noEKS},
		"EKSNotComposed":        {reason: "We should not guess where an EKS cluster is, because only its status says so.", observed: of(eksClusterAuth, kubeconfigOf(eksServer, eksExec)), message: noEKS},
		"EKSByType":             {reason: "We should check EKS's status even if the author set the type, because the kubeconfig may be edited.", input: "credentials: {type: AWS, aws: {clusterName: demo}}", observed: eksAuth(kubeconfigOf(attacker, "token: canary-token")), message: otherEKS},
		"EKSByTypeOtherCluster": {reason: "We should believe only the status of the EKS cluster that the token is for, because another's owner could use it there.", input: "credentials: {type: AWS, aws: {clusterName: prod, region: eu-west-1}}", observed: eksAuth(kubeconfigOf(eksServer, "token: canary-token")), message: noEKS},

		"GKEPluginOfAnySource":   {reason: "We should not use Google's plugin because a kubeconfig says so, because its writer would receive the token.", observed: publishing(sample(t, "kc-gke-gcloud-exec.yaml")), message: untrusted + "GCP" + setServer + "GCP"},
		"EKSPluginOfAnySource":   {reason: "We should not use AWS's plugin because a kubeconfig says so, because its writer would receive the token.", observed: publishing(sample(t, "kc-eks-awscli-plain.yaml")), message: untrusted + "AWS" + setServer + "AWS"},
		"AzurePluginOfAnySource": {reason: "We should not use Azure's plugin because a kubeconfig says so, because its writer would receive the token.", observed: publishing(sample(t, "kc-aks-aad-exec.yaml")), message: untrusted + "Azure" + setServer + "Azure"},
		"AWSToGKE":               {reason: "We should not send an AWS token to a GKE cluster, because it opens EKS clusters.", observed: of(gke, kubeconfigOf(gkeServer, strings.Replace(eksExec, "demo", "prod", 1))), message: untrusted + "AWS identity"},
		"AzureToGKE":             {reason: "We should not send an Azure token to a GKE cluster, because it opens AKS clusters.", observed: of(gke, kubelogin(gkeServer, "")), message: untrusted + "Azure identity"},
		"GoogleToAKS":            {reason: "We should not send a Google token to an AKS cluster, because it opens GKE clusters.", observed: of(aks, gcloud(aksServer)), message: untrusted + "GCP identity"},
		"GoogleToAKSByType":      {reason: "We should not send a Google token to an AKS cluster even if the author set the type, because it opens GKE clusters.", input: "credentials: {type: GCP}", observed: of(aks, kubeconfigOf(aksServer, "")), message: untrusted + "GCP identity"},

		"NoCredentialsOfAnySource":  {reason: "We should not use Google's identity for a kubeconfig without credentials, because only GKE's provider may publish one.", observed: of(bucket, sample(t, "kc-gke-upjet-nocreds.yaml")), message: nothing},
		"NoCredentialsOfAGroup":     {reason: "We should not trust a group that only begins like GKE's, because anyone may define it.", observed: of(ofGKE("container.gcp.example.org"), none), message: nothing},
		"NoCredentialsOfOtherGroup": {reason: "We should not trust another container group, because anyone may define it.", observed: of(ofGKE("container.example.org"), none), message: nothing},
		"NoCredentialsOfAKS":        {reason: "We should not take an XR of GKE's group for GKE's provider, because anyone may define it.", xr: xrOfGKE, observed: clusterOf(aks, kubeconfigDetails(t, "kc-gke-upjet-dns-endpoint.yaml")), message: nothing},
		"NoCredentialsOfXR":         {reason: "We should not trust what an XR of GKE's group publishes, because GKE's provider has not written it.", xr: xrOfGKE, input: "kubeconfigFrom: {type: CompositeResource}", details: kubeconfigDetails(t, "kc-gke-upjet-dns-endpoint.yaml"), message: nothing},

		"ServerOfXRsUser":        {reason: "We should not trust the XR's spec, because its user would receive Argo CD's token.", input: "cluster: {serverFrom: {fieldPath: spec.parameters.apiserver}}", observed: aad, message: noToken + "Azure identity"},
		"ServerOfXRsUserOnGKE":   {reason: "We should not trust the XR's spec, because GKE's status does not name the server.", input: "cluster: {serverFrom: {fieldPath: spec.parameters.apiserver}}", observed: of(gke, none), message: notNamed + "GCP identity"},
		"ServerOfXRsUserByType":  {reason: "We should not trust the XR's spec even if the author set the type, because its user would receive Argo CD's token.", input: "credentials: {type: GCP}\ncluster: {serverFrom: {fieldPath: spec.parameters.apiserver}}", observed: publishing(kubeconfigOf("https://api.example.org", "")), message: noToken + "GCP identity"},
		"ServerOfXRsStatus":      {reason: "We should not trust the observed status, because the XR's user can write it.", xr: legacyXR + "status: {server: https://api.prod.example.org}\n", input: "cluster: {serverFrom: {fieldPath: status.server}}", observed: aad, message: noToken + "Azure identity"},
		"ServerOfXRsStatusOnGKE": {reason: "We should not trust the observed status, because GKE's status does not name the server.", xr: legacyXR + "status: {endpoint: attacker.example.org}\n", input: "cluster: {serverFrom: {fieldPath: status.endpoint}}", observed: of(gke, none), message: notNamed + "GCP identity"},
		"TLSServerNameOfXRsUser": {reason: "We should not trust the XR's spec, because its user could have another server of the same CA receive Argo CD's token.", xr: xrWith("tls: attacker.example.org"), input: "cluster: {tlsServerNameFrom: {fieldPath: spec.parameters.tls}}", observed: aad, message: "cluster.tlsServerNameFrom reads a field that the XR's user can write, and so they could have Argo CD send a token of its own Azure identity to another server. Set cluster.tlsServerName, or read the environment"},
		"ProxyOfXRsUser":         {reason: "We should not trust the XR's spec even if the author gives the server, because the proxy could end TLS.", xr: xrWith("proxy: http://attacker.example.org:3128"), input: "credentials: {type: Azure}\ncluster: {server: demo-dns-1a2b3c4d.hcp.westeurope.azmk8s.io, proxyURLFrom: {fieldPath: spec.parameters.proxy}}", observed: aad, message: "cluster.proxyURLFrom reads a field that the XR's user can write"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := notRegistered{reason: tc.reason, xr: tc.xr, input: tc.input, observed: tc.observed, details: tc.details, want: refusal{reason: reasonUnsupportedCredentials, message: tc.message}}
			c.check(t)
		})
	}
}
