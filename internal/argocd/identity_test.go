package argocd

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestOwnIdentity checks that Argo CD's own identity is recognised exactly as this function writes it.
func TestOwnIdentity(t *testing.T) {
	type want struct {
		provider string
		aws      AWSIdentity
		azure    AzureIdentity
		ok       bool
	}
	aws := AWSIdentity{ClusterName: "demo", RoleARN: "arn:aws:iam::123456789012:role/argocd", Profile: "my profile", Region: "eu-west-1"}
	awsWithoutRegion := AWSIdentity{ClusterName: "demo", RoleARN: "arn:aws:iam::123456789012:role/argocd", Profile: "prod"}
	azure := AzureIdentity{
		TenantID: "contoso.onmicrosoft.com", ClientID: "22222222-3333-4444-5555-666666666666", ServerID: aksServerID,
		Environment: "AzurePublicCloud", LoginMethod: "workloadidentity",
	}
	use := func(use ...func(*ClusterConfig)) *ClusterConfig {
		cfg := &ClusterConfig{TLSClientConfig: TLSClientConfig{ServerName: "a"}, DisableCompression: true, ProxyURL: "http://proxy.example.org"}
		for _, f := range use {
			f(cfg)
		}
		return cfg
	}
	useAWS := func(i AWSIdentity) *ClusterConfig { return use(func(c *ClusterConfig) { c.UseAWS(i) }) }
	useAzure := func(i AzureIdentity) *ClusterConfig { return use(func(c *ClusterConfig) { c.UseAzure(i) }) }
	execOf := func(cfg *ClusterConfig, change func(*ExecProviderConfig)) *ClusterConfig {
		change(cfg.ExecProviderConfig)
		return cfg
	}
	cases := map[string]struct {
		reason string
		config *ClusterConfig
		want   want
	}{
		"AWS":              {"We should recognise AWS's plugin with all arguments, because this function writes them.", useAWS(aws), want{provider: "AWS", aws: aws, ok: true}},
		"AWSRegionOnly":    {"We should recognise AWS's plugin with few arguments, because most are optional.", useAWS(AWSIdentity{ClusterName: "demo", Region: "eu-west-1"}), want{provider: "AWS", aws: AWSIdentity{ClusterName: "demo", Region: "eu-west-1"}, ok: true}},
		"AWSAuthConfig":    {"We should recognise AWS's own form, because this function writes it without a region.", useAWS(awsWithoutRegion), want{provider: "AWS", aws: awsWithoutRegion, ok: true}},
		"Azure":            {"We should recognise all of Azure's variables, because this function writes them.", useAzure(azure), want{provider: "Azure", azure: azure, ok: true}},
		"AzureBare":        {"We should recognise Azure's plugin without variables, because all are optional.", useAzure(AzureIdentity{}), want{provider: "Azure", ok: true}},
		"GCP":              {"We should recognise Google's plugin, because this function writes it.", use((*ClusterConfig).UseGCP), want{provider: "GCP", ok: true}},
		"Token":            {"We should not recognise a token, because it is the kubeconfig's identity.", &ClusterConfig{BearerToken: "x"}, want{}},
		"None":             {"We should not recognise an empty config, because it has no identity.", &ClusterConfig{}, want{}},
		"Exec":             {"We should not recognise another plugin, because only the author can choose one.", &ClusterConfig{ExecProviderConfig: &ExecProviderConfig{Command: "sh", Args: []string{"gcp"}}}, want{}},
		"AnotherToken":     {"We should not recognise a plugin with a token, because this function writes only one.", use((*ClusterConfig).UseGCP, func(c *ClusterConfig) { c.BearerToken = "x" }), want{}},
		"AnotherKey":       {"We should not recognise a plugin with a key, because this function writes only one.", use((*ClusterConfig).UseGCP, func(c *ClusterConfig) { c.TLSClientConfig.KeyData = []byte("x") }), want{}},
		"BothAWS":          {"We should not recognise both of AWS's forms, because this function writes only one.", use(func(c *ClusterConfig) { c.UseAWS(aws); c.UseAWS(awsWithoutRegion) }), want{}},
		"Path":             {"We should not recognise another command, because it may run anything.", execOf(use((*ClusterConfig).UseGCP), func(e *ExecProviderConfig) { e.Command = "./argocd-k8s-auth" }), want{}},
		"MoreArguments":    {"We should not recognise more arguments, because this function does not write them.", execOf(use((*ClusterConfig).UseGCP), func(e *ExecProviderConfig) { e.Args = append(e.Args, "x") }), want{}},
		"MoreEnvironment":  {"We should not recognise more variables, because they may change the identity.", execOf(use((*ClusterConfig).UseGCP), func(e *ExecProviderConfig) { e.Env = map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": "x"} }), want{}},
		"OtherAPIVersion":  {"We should not recognise another version, because this function does not write it.", execOf(use((*ClusterConfig).UseGCP), func(e *ExecProviderConfig) { e.APIVersion = "client.authentication.k8s.io/v1" }), want{}},
		"ClusterInfo":      {"We should not recognise a plugin that gets the cluster's details, because this function does not write that.", execOf(use((*ClusterConfig).UseGCP), func(e *ExecProviderConfig) { e.ProvideClusterInfo = true }), want{}},
		"InstallHint":      {"We should not recognise an install hint, because this function does not write one.", execOf(use((*ClusterConfig).UseGCP), func(e *ExecProviderConfig) { e.InstallHint = "x" }), want{}},
		"AzureAuthority":   {"We should not recognise an authority, because it would receive Argo CD's own token.", execOf(useAzure(azure), func(e *ExecProviderConfig) { e.Env["AZURE_AUTHORITY_HOST"] = "https://canary" }), want{}},
		"AzureEmpty":       {"We should not recognise an empty authority, because this function does not write it.", execOf(useAzure(azure), func(e *ExecProviderConfig) { e.Env["AZURE_AUTHORITY_HOST"] = "" }), want{}},
		"AzureEnvironment": {"We should not recognise an environment that is read from a file, because this function does not write it.", useAzure(AzureIdentity{Environment: "AzureStackCloud"}), want{}},
		"AzureLogin":       {"We should not recognise a login that needs a person, because this function does not write it.", useAzure(AzureIdentity{LoginMethod: "devicecode"}), want{}},
		"AzureServerID":    {"We should not recognise an application that is not a UUID, because this function does not write it.", useAzure(AzureIdentity{ServerID: "https://canary"}), want{}},
		"AzureClientID":    {"We should not recognise a client that is not a UUID, because this function does not write it.", useAzure(AzureIdentity{ClientID: "canary"}), want{}},
		"AzureTenant":      {"We should not recognise a tenant with a slash, because this function does not write it.", useAzure(AzureIdentity{TenantID: "canary/x"}), want{}},
		"AWSCluster":       {"We should not recognise a cluster that looks like a flag, because this function does not write it.", useAWS(AWSIdentity{ClusterName: "-canary"}), want{}},
		"AWSRole":          {"We should not recognise an invalid role, because this function does not write it.", useAWS(AWSIdentity{ClusterName: "demo", RoleARN: "canary"}), want{}},
		"AWSProfile":       {"We should not recognise an invalid profile, because this function does not write it.", useAWS(AWSIdentity{ClusterName: "demo", Profile: "a\nb"}), want{}},
		"AWSRegion":        {"We should not recognise an invalid region, because this function does not write it.", useAWS(AWSIdentity{ClusterName: "demo", Region: "canary"}), want{}},
		"AWSOrder": {"We should not recognise another order, because this function writes only one.", execOf(useAWS(aws), func(e *ExecProviderConfig) {
			e.Args[1], e.Args[2], e.Args[3], e.Args[4] = e.Args[3], e.Args[4], e.Args[1], e.Args[2]
		}), want{}},
		"AWSTwice":         {"We should not recognise an argument that is given twice, because the plugin may use either.", execOf(useAWS(aws), func(e *ExecProviderConfig) { e.Args = append(e.Args, "--role-arn", aws.RoleARN) }), want{}},
		"AWSOdd":           {"We should not recognise an argument without a value, because this function does not write it.", execOf(useAWS(aws), func(e *ExecProviderConfig) { e.Args = append(e.Args, "x") }), want{}},
		"AWSWithoutRegion": {"We should not recognise the plugin without a region, because this function writes AWS's own form then.", execOf(useAWS(aws), func(e *ExecProviderConfig) { e.Env = nil }), want{}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			// As it comes out of a Secret.
			b, err := json.Marshal(tc.config)
			if err != nil {
				t.Fatal(err)
			}
			cfg, err := ParseClusterConfig(b)
			if err != nil {
				t.Fatal(err)
			}
			got := want{}
			got.provider, got.aws, got.azure, got.ok = cfg.OwnIdentity()
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(want{})); diff != "" {
				t.Errorf("\n%s\nOwnIdentity(): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestIdentityChecks checks what the fields of an identity can be.
func TestIdentityChecks(t *testing.T) {
	cases := map[string]struct {
		reason string
		check  func(string) []string
		value  string
		want   bool
	}{
		"Role":              {"We should accept a role with a path, because IAM has such roles.", CheckRoleARN, "arn:aws:iam::123456789012:role/path/argocd", true},
		"RoleOfChina":       {"We should accept a role of China, because AWS has several partitions.", CheckRoleARN, "arn:aws-cn:iam::123456789012:role/argocd", true},
		"RoleEmpty":         {"We should accept no role, because it is optional.", CheckRoleARN, "", true},
		"RoleElevenDigits":  {"We should refuse an account of 11 digits, because accounts have 12.", CheckRoleARN, "arn:aws:iam::12345678901:role/argocd", false},
		"RoleThirteen":      {"We should refuse an account of 13 digits, because accounts have 12.", CheckRoleARN, "arn:aws:iam::1234567890123:role/argocd", false},
		"RoleLetters":       {"We should refuse an account with a letter, because accounts have digits.", CheckRoleARN, "arn:aws:iam::12345678901a:role/argocd", false},
		"RoleUser":          {"We should refuse a user, because the plugin assumes a role.", CheckRoleARN, "arn:aws:iam::123456789012:user/argocd", false},
		"RoleNewline":       {"We should refuse a line break, because the role ends up in a command line.", CheckRoleARN, "arn:aws:iam::123456789012:role/argocd\n", false},
		"Region":            {"We should accept a region of the government, because AWS has such regions.", CheckAWSRegion, "us-gov-west-1", true},
		"RegionHost":        {"We should refuse a host, because a region becomes part of a URL.", CheckAWSRegion, "eu-west-1.example.org", false},
		"Cluster":           {"We should accept an underscore, because a cluster's name may have one.", CheckEKSClusterName, "my_cluster-1", true},
		"ClusterID":         {"We should accept an ID, because clusters on Outposts have one.", CheckEKSClusterName, "0a1b2c3d-4e5f-6789-abcd-ef0123456789", true},
		"ClusterFlag":       {"We should refuse a flag, because the plugin would read it as one.", CheckEKSClusterName, "--role-arn", false},
		"ClusterEmpty":      {"We should refuse no name, because a token is for one cluster.", CheckEKSClusterName, "", false},
		"Profile":           {"We should accept a space inside, because a profile's name may have one.", CheckAWSProfile, "my profile", true},
		"ProfileOne":        {"We should accept one character, because a profile's name may be short.", CheckAWSProfile, "p", true},
		"ProfileEmpty":      {"We should accept no profile, because it is optional.", CheckAWSProfile, "", true},
		"ProfileNewline":    {"We should refuse a line break, because a profile's name has none.", CheckAWSProfile, "a\nb", false},
		"ProfileLong":       {"We should refuse a very long profile, because no configuration has one.", CheckAWSProfile, strings.Repeat("a", 129), false},
		"ProfileSpace":      {"We should refuse a space at the end, because AWS's configuration drops it.", CheckAWSProfile, "a ", false},
		"Login":             {"We should accept msi, because it needs no person.", CheckAzureLoginMethod, "msi", true},
		"LoginInteractive":  {"We should refuse interactive, because it needs a person.", CheckAzureLoginMethod, "interactive", false},
		"UUID":              {"We should accept a UUID, because Azure's IDs are UUIDs.", CheckUUID, aksServerID, true},
		"UUIDShort":         {"We should refuse a part of a UUID, because Azure's IDs are whole ones.", CheckUUID, "6dae42f8-4368-4678-94ff", false},
		"Tenant":            {"We should accept a domain, because Azure's tenants have one.", CheckAzureTenant, "contoso.onmicrosoft.com", true},
		"TenantSlash":       {"We should refuse a slash, because a tenant becomes part of a URL.", CheckAzureTenant, "a/b", false},
		"Environment":       {"We should accept China's cloud, because Azure has several.", CheckAzureEnvironment, "azurechinacloud", true},
		"EnvironmentOfFile": {"We should refuse AzureStackCloud, because its client reads a file.", CheckAzureEnvironment, "AzureStackCloud", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := tc.check(tc.value); (len(got) == 0) != tc.want {
				t.Errorf("\n%s\ncheck(%q): want ok %t, got %v", tc.reason, tc.value, tc.want, got)
			}
		})
	}
}
