package argocd

import "regexp"

// What names a cloud's things is checked wherever it comes from: some of it ends up in
// URLs and command lines. Each function says what is wrong; nothing if it is fine.

var (
	// What go-autorest's azure.EnvironmentFromName knows, but for AzureStackCloud,
	// which has its reader open a file.
	azureEnvironment = regexp.MustCompile(`^(?i:AzureCloud|AzurePublicCloud|AzureChinaCloud|AzureGermanCloud|AzureUSGovernment|AzureUSGovernmentCloud)?$`)

	azureTenant = regexp.MustCompile(`^([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*)?$`)
	uuid        = regexp.MustCompile(`^([0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})?$`)

	// https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateCluster.html
	eksClusterName = regexp.MustCompile(`^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$`)
	awsRegion      = regexp.MustCompile(`^([a-z]{2,}(-[a-z]+)+-\d+)?$`)

	// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
	roleARN = regexp.MustCompile(`^(arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+)?$`)
)

// CheckAzureEnvironment checks the name of an Azure environment. It may be empty.
func CheckAzureEnvironment(s string) []string {
	return check(azureEnvironment, s, "must be AzurePublicCloud, AzureChinaCloud, AzureGermanCloud or AzureUSGovernmentCloud")
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
