package argocd

import (
	"bytes"
	"encoding/json"
	"regexp"
)

// The clouds whose identities Argo CD can have, as CredentialType and OwnIdentity name them.
const (
	providerAWS   = "AWS"
	providerAzure = "Azure"
	providerGCP   = "GCP"
)

// What names a cloud's things is checked wherever it comes from: some of it ends up in
// URLs and command lines. Each function says what is wrong; nothing if it is fine.

var (
	// What go-autorest's azure.EnvironmentFromName knows, except AzureStackCloud,
	// which has its reader open a file.
	azureEnvironment = regexp.MustCompile(`^(?i:AzureCloud|AzurePublicCloud|AzureChinaCloud|AzureGermanCloud|AzureUSGovernment|AzureUSGovernmentCloud)?$`)

	// What authenticates by an identity of Argo CD's own, and without asking anyone.
	azureLoginMethod = regexp.MustCompile(`^(workloadidentity|msi|spn|azurecli)?$`)

	azureTenant = regexp.MustCompile(`^([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*)?$`)
	uuid        = regexp.MustCompile(`^([0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})?$`)

	// https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateCluster.html
	eksClusterName = regexp.MustCompile(`^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$`)
	awsRegion      = regexp.MustCompile(`^([a-z]{2,}(-[a-z]+)+-\d+)?$`)

	awsProfile = regexp.MustCompile(`^[^\pC\pZ]([^\pC]{0,126}[^\pC\pZ])?$`)

	// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
	roleARN = regexp.MustCompile(`^(arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+)?$`)
)

// CheckAzureEnvironment checks the name of an Azure environment. It may be empty.
func CheckAzureEnvironment(s string) []string {
	return check(azureEnvironment, s, "must be AzurePublicCloud, AzureChinaCloud, AzureGermanCloud or AzureUSGovernmentCloud")
}

// CheckAzureLoginMethod checks the way in which Argo CD gets a token. It may be empty.
func CheckAzureLoginMethod(s string) []string {
	return check(azureLoginMethod, s, "must be workloadidentity, msi, spn or azurecli")
}

// CheckAzureTenant checks a tenant of Entra ID. It may be empty.
func CheckAzureTenant(s string) []string { return check(azureTenant, s, "must be a UUID or a domain") }

// CheckUUID checks a UUID. It may be empty.
func CheckUUID(s string) []string { return check(uuid, s, "must be a UUID") }

// CheckEKSClusterName checks the name of an EKS cluster.
func CheckEKSClusterName(s string) []string {
	return check(eksClusterName, s, "must be the name of an EKS cluster")
}

// CheckAWSRegion checks a region of AWS. It may be empty.
func CheckAWSRegion(s string) []string { return check(awsRegion, s, "must be a region like eu-west-1") }

// CheckAWSProfile checks the name of a profile in Argo CD's AWS configuration. It may be empty.
func CheckAWSProfile(s string) []string {
	if s == "" {
		return nil
	}
	return check(awsProfile, s, "must be a name of at most 128 characters, without control characters")
}

// CheckRoleARN checks the ARN of an IAM role. It may be empty.
func CheckRoleARN(s string) []string {
	return check(roleARN, s, "must be a role like arn:aws:iam::123456789012:role/name")
}

func check(pattern *regexp.Regexp, s, problem string) []string {
	if pattern.MatchString(s) {
		return nil
	}
	return []string{problem}
}

// OwnIdentity returns the cloud identity of Argo CD's own that a config uses, and its cloud:
// AWS, Azure or GCP. It reports false unless the config is exactly what
// UseAWS, UseAzure or UseGCP make of such an identity, and all its values are fine.
func (cfg *ClusterConfig) OwnIdentity() (provider string, aws AWSIdentity, azure AzureIdentity, ok bool) {
	want := ClusterConfig{}
	switch provider = cfg.CredentialType(); provider {
	case providerAWS:
		aws = cfg.awsIdentity()
		if !aws.valid() {
			return "", AWSIdentity{}, AzureIdentity{}, false
		}
		want.UseAWS(aws)
	case providerAzure:
		azure = cfg.azureIdentity()
		if !azure.valid() {
			return "", AWSIdentity{}, AzureIdentity{}, false
		}
		want.UseAzure(azure)
	case providerGCP:
		want.UseGCP()
	}
	if want.AWSAuthConfig == nil && want.ExecProviderConfig == nil || !sameCredentials(cfg, &want) {
		return "", AWSIdentity{}, AzureIdentity{}, false
	}
	return provider, aws, azure, true
}

// awsIdentity returns what UseAWS may have been given. The caller must check that it was.
func (cfg *ClusterConfig) awsIdentity() AWSIdentity {
	if a := cfg.AWSAuthConfig; a != nil {
		return AWSIdentity{ClusterName: a.ClusterName, RoleARN: a.RoleARN, Profile: a.Profile}
	}
	i := AWSIdentity{Region: cfg.ExecProviderConfig.Env["AWS_REGION"]}
	for args := cfg.ExecProviderConfig.Args[1:]; len(args) > 1; args = args[2:] {
		switch args[0] {
		case "--cluster-name":
			i.ClusterName = args[1]
		case "--role-arn":
			i.RoleARN = args[1]
		case "--profile":
			i.Profile = args[1]
		}
	}
	return i
}

func (i *AWSIdentity) valid() bool {
	return len(CheckEKSClusterName(i.ClusterName))+len(CheckRoleARN(i.RoleARN))+len(CheckAWSProfile(i.Profile))+len(CheckAWSRegion(i.Region)) == 0
}

// azureIdentity returns what UseAzure may have been given. The caller must check that it was.
func (cfg *ClusterConfig) azureIdentity() AzureIdentity {
	env := cfg.ExecProviderConfig.Env
	return AzureIdentity{
		TenantID: env["AZURE_TENANT_ID"], ClientID: env["AZURE_CLIENT_ID"], ServerID: env["AAD_SERVER_APPLICATION_ID"],
		Environment: env["AAD_ENVIRONMENT_NAME"], LoginMethod: env["AAD_LOGIN_METHOD"],
	}
}

func (i *AzureIdentity) valid() bool {
	return len(CheckAzureTenant(i.TenantID))+len(CheckUUID(i.ClientID))+len(CheckUUID(i.ServerID))+
		len(CheckAzureEnvironment(i.Environment))+len(CheckAzureLoginMethod(i.LoginMethod)) == 0
}

// sameCredentials reports whether two configs have Argo CD authenticate in the same way.
func sameCredentials(a, b *ClusterConfig) bool {
	ca, cb := *a, *b
	for _, c := range []*ClusterConfig{&ca, &cb} {
		c.TLSClientConfig = TLSClientConfig{CertData: c.TLSClientConfig.CertData, KeyData: c.TLSClientConfig.KeyData}
		c.DisableCompression, c.ProxyURL = false, ""
	}
	// As JSON, in which an empty map and a missing one are the same.
	ja, errA := json.Marshal(&ca)
	jb, errB := json.Marshal(&cb)
	return errA == nil && errB == nil && bytes.Equal(ja, jb)
}
