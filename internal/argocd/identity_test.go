package argocd

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

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
		"AWS":              {"We should recognise the plugin with all its arguments.", useAWS(aws), want{provider: "AWS", aws: aws, ok: true}},
		"AWSRegionOnly":    {"And with as few as it can have.", useAWS(AWSIdentity{ClusterName: "demo", Region: "eu-west-1"}), want{provider: "AWS", aws: AWSIdentity{ClusterName: "demo", Region: "eu-west-1"}, ok: true}},
		"AWSAuthConfig":    {"We should recognise AWS's own form.", useAWS(awsWithoutRegion), want{provider: "AWS", aws: awsWithoutRegion, ok: true}},
		"Azure":            {"We should recognise all of Azure's variables.", useAzure(azure), want{provider: "Azure", azure: azure, ok: true}},
		"AzureBare":        {"And none.", useAzure(AzureIdentity{}), want{provider: "Azure", ok: true}},
		"GCP":              {"We should recognise Google's.", use((*ClusterConfig).UseGCP), want{provider: "GCP", ok: true}},
		"Token":            {"A token is not Argo CD's own identity.", &ClusterConfig{BearerToken: "x"}, want{}},
		"None":             {"Nor is nothing.", &ClusterConfig{}, want{}},
		"Exec":             {"Nor is another plugin.", &ClusterConfig{ExecProviderConfig: &ExecProviderConfig{Command: "sh", Args: []string{"gcp"}}}, want{}},
		"AnotherToken":     {"We should not overlook other credentials.", use((*ClusterConfig).UseGCP, func(c *ClusterConfig) { c.BearerToken = "x" }), want{}},
		"AnotherKey":       {"Such as a key.", use((*ClusterConfig).UseGCP, func(c *ClusterConfig) { c.TLSClientConfig.KeyData = []byte("x") }), want{}},
		"BothAWS":          {"Or both of AWS's forms.", use(func(c *ClusterConfig) { c.UseAWS(aws); c.UseAWS(awsWithoutRegion) }), want{}},
		"Path":             {"We should not take another command for Argo CD's.", execOf(use((*ClusterConfig).UseGCP), func(e *ExecProviderConfig) { e.Command = "./argocd-k8s-auth" }), want{}},
		"MoreArguments":    {"Nor one with more arguments.", execOf(use((*ClusterConfig).UseGCP), func(e *ExecProviderConfig) { e.Args = append(e.Args, "x") }), want{}},
		"MoreEnvironment":  {"Nor one with an environment.", execOf(use((*ClusterConfig).UseGCP), func(e *ExecProviderConfig) { e.Env = map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": "x"} }), want{}},
		"OtherAPIVersion":  {"Nor one of another version.", execOf(use((*ClusterConfig).UseGCP), func(e *ExecProviderConfig) { e.APIVersion = "client.authentication.k8s.io/v1" }), want{}},
		"ClusterInfo":      {"Nor one that gets more.", execOf(use((*ClusterConfig).UseGCP), func(e *ExecProviderConfig) { e.ProvideClusterInfo = true }), want{}},
		"InstallHint":      {"Nor one with a hint.", execOf(use((*ClusterConfig).UseGCP), func(e *ExecProviderConfig) { e.InstallHint = "x" }), want{}},
		"AzureAuthority":   {"We should refuse a variable that we never set.", execOf(useAzure(azure), func(e *ExecProviderConfig) { e.Env["AZURE_AUTHORITY_HOST"] = "https://canary" }), want{}},
		"AzureEmpty":       {"Even an empty one.", execOf(useAzure(azure), func(e *ExecProviderConfig) { e.Env["AZURE_AUTHORITY_HOST"] = "" }), want{}},
		"AzureEnvironment": {"We should check values.", useAzure(AzureIdentity{Environment: "AzureStackCloud"}), want{}},
		"AzureLogin":       {"We should check values.", useAzure(AzureIdentity{LoginMethod: "devicecode"}), want{}},
		"AzureServerID":    {"We should check values.", useAzure(AzureIdentity{ServerID: "https://canary"}), want{}},
		"AzureClientID":    {"We should check values.", useAzure(AzureIdentity{ClientID: "canary"}), want{}},
		"AzureTenant":      {"We should check values.", useAzure(AzureIdentity{TenantID: "canary/x"}), want{}},
		"AWSCluster":       {"We should check values.", useAWS(AWSIdentity{ClusterName: "-canary"}), want{}},
		"AWSRole":          {"We should check values.", useAWS(AWSIdentity{ClusterName: "demo", RoleARN: "canary"}), want{}},
		"AWSProfile":       {"We should check values.", useAWS(AWSIdentity{ClusterName: "demo", Profile: "a\nb"}), want{}},
		"AWSRegion":        {"We should check values.", useAWS(AWSIdentity{ClusterName: "demo", Region: "canary"}), want{}},
		"AWSOrder": {"We should refuse arguments in another order.", execOf(useAWS(aws), func(e *ExecProviderConfig) {
			e.Args[1], e.Args[2], e.Args[3], e.Args[4] = e.Args[3], e.Args[4], e.Args[1], e.Args[2]
		}), want{}},
		"AWSTwice":         {"We should refuse an argument that is there twice.", execOf(useAWS(aws), func(e *ExecProviderConfig) { e.Args = append(e.Args, "--role-arn", aws.RoleARN) }), want{}},
		"AWSOdd":           {"We should refuse an argument that is left over.", execOf(useAWS(aws), func(e *ExecProviderConfig) { e.Args = append(e.Args, "x") }), want{}},
		"AWSWithoutRegion": {"We should refuse the form that we never write.", execOf(useAWS(aws), func(e *ExecProviderConfig) { e.Env = nil }), want{}},
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

func TestIdentityChecks(t *testing.T) {
	cases := map[string]struct {
		reason string
		check  func(string) []string
		value  string
		want   bool
	}{
		"Role":              {"A role has an account of 12 digits.", CheckRoleARN, "arn:aws:iam::123456789012:role/path/argocd", true},
		"RoleOfChina":       {"There are several partitions.", CheckRoleARN, "arn:aws-cn:iam::123456789012:role/argocd", true},
		"RoleEmpty":         {"A role may be left out.", CheckRoleARN, "", true},
		"RoleElevenDigits":  {"Not of 11.", CheckRoleARN, "arn:aws:iam::12345678901:role/argocd", false},
		"RoleThirteen":      {"Nor of 13.", CheckRoleARN, "arn:aws:iam::1234567890123:role/argocd", false},
		"RoleLetters":       {"Nor of letters.", CheckRoleARN, "arn:aws:iam::12345678901a:role/argocd", false},
		"RoleUser":          {"A user is not a role.", CheckRoleARN, "arn:aws:iam::123456789012:user/argocd", false},
		"RoleNewline":       {"We should refuse line breaks.", CheckRoleARN, "arn:aws:iam::123456789012:role/argocd\n", false},
		"Region":            {"A region has a number.", CheckAWSRegion, "us-gov-west-1", true},
		"RegionHost":        {"It becomes part of a URL.", CheckAWSRegion, "eu-west-1.example.org", false},
		"Cluster":           {"A cluster's name may have an underscore.", CheckEKSClusterName, "my_cluster-1", true},
		"ClusterID":         {"An ID is a name, too.", CheckEKSClusterName, "0a1b2c3d-4e5f-6789-abcd-ef0123456789", true},
		"ClusterFlag":       {"A name is not a flag.", CheckEKSClusterName, "--role-arn", false},
		"ClusterEmpty":      {"A cluster must have a name.", CheckEKSClusterName, "", false},
		"Profile":           {"A profile's name may have a space.", CheckAWSProfile, "my profile", true},
		"ProfileOne":        {"Or one character.", CheckAWSProfile, "p", true},
		"ProfileEmpty":      {"A profile may be left out.", CheckAWSProfile, "", true},
		"ProfileNewline":    {"We should refuse line breaks.", CheckAWSProfile, "a\nb", false},
		"ProfileLong":       {"We should refuse very long ones.", CheckAWSProfile, strings.Repeat("a", 129), false},
		"ProfileSpace":      {"We should refuse a space at the end.", CheckAWSProfile, "a ", false},
		"Login":             {"A login method may need nobody.", CheckAzureLoginMethod, "msi", true},
		"LoginInteractive":  {"Or somebody.", CheckAzureLoginMethod, "interactive", false},
		"UUID":              {"A UUID is fine.", CheckUUID, aksServerID, true},
		"UUIDShort":         {"A part of one is not.", CheckUUID, "6dae42f8-4368-4678-94ff", false},
		"Tenant":            {"A tenant may be a domain.", CheckAzureTenant, "contoso.onmicrosoft.com", true},
		"TenantSlash":       {"It becomes part of a URL.", CheckAzureTenant, "a/b", false},
		"Environment":       {"Azure has several clouds.", CheckAzureEnvironment, "azurechinacloud", true},
		"EnvironmentOfFile": {"This one is read from a file.", CheckAzureEnvironment, "AzureStackCloud", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := tc.check(tc.value); (len(got) == 0) != tc.want {
				t.Errorf("\n%s\ncheck(%q): want ok %t, got %v", tc.reason, tc.value, tc.want, got)
			}
		})
	}
}
