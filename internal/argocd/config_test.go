package argocd

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCredentialType checks what a config's credentials are called.
func TestCredentialType(t *testing.T) {
	cases := map[string]struct {
		reason string
		config string
		want   string
	}{
		"None":              {"We should say None, because the config has no credentials.", `{}`, "None"},
		"ClientCertificate": {"We should know the type by the fields, because each type has its own.", `{"tlsClientConfig":{"insecure":false,"certData":"eA==","keyData":"eA=="}}`, "ClientCertificate"},
		"BearerToken":       {"We should know the type by the fields, because each type has its own.", `{"bearerToken":"x"}`, "BearerToken"},
		"BasicAuth":         {"We should know the type by the fields, because each type has its own.", `{"username":"x","password":"x"}`, "BasicAuth"},
		"AWSAuthConfig":     {"We should know AWS's own form, because this function writes it without a region.", `{"awsAuthConfig":{"clusterName":"demo"}}`, "AWS"},
		"AWS":               {"We should know AWS's plugin, because this function writes it with a region.", `{"execProviderConfig":{"command":"argocd-k8s-auth","args":["aws"]}}`, "AWS"},
		"Azure":             {"We should know Argo CD's plugin by its argument, because it has one command for all clouds.", `{"execProviderConfig":{"command":"argocd-k8s-auth","args":["azure"]}}`, "Azure"},
		"GCP":               {"We should know Argo CD's plugin by its argument, because it has one command for all clouds.", `{"execProviderConfig":{"command":"argocd-k8s-auth","args":["gcp"]}}`, "GCP"},
		"Exec":              {"We should call another plugin Exec, because only the author can choose one.", `{"execProviderConfig":{"command":"my-plugin","args":["gcp"]}}`, "Exec"},
		"ExecOfArgoCD":      {"We should call an unknown argument Exec, because Argo CD's plugin does not have it.", `{"execProviderConfig":{"command":"argocd-k8s-auth","args":["x"]}}`, "Exec"},
		"ExecWithoutArgs":   {"We should call no arguments Exec, because Argo CD's plugin needs one.", `{"execProviderConfig":{"command":"argocd-k8s-auth"}}`, "Exec"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			cfg, err := ParseClusterConfig([]byte(tc.config))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, cfg.CredentialType()); diff != "" {
				t.Errorf("\n%s\nCredentialType(): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
