package argocd

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCredentialType(t *testing.T) {
	cases := map[string]struct {
		reason string
		config string
		want   string
	}{
		"None":              {"A config may have no credentials.", `{}`, "None"},
		"ClientCertificate": {"By what it has.", `{"tlsClientConfig":{"insecure":false,"certData":"eA==","keyData":"eA=="}}`, "ClientCertificate"},
		"BearerToken":       {"By what it has.", `{"bearerToken":"x"}`, "BearerToken"},
		"BasicAuth":         {"By what it has.", `{"username":"x","password":"x"}`, "BasicAuth"},
		"AWSAuthConfig":     {"AWS has two forms.", `{"awsAuthConfig":{"clusterName":"demo"}}`, "AWS"},
		"AWS":               {"This is the other.", `{"execProviderConfig":{"command":"argocd-k8s-auth","args":["aws"]}}`, "AWS"},
		"Azure":             {"By its argument.", `{"execProviderConfig":{"command":"argocd-k8s-auth","args":["azure"]}}`, "Azure"},
		"GCP":               {"By its argument.", `{"execProviderConfig":{"command":"argocd-k8s-auth","args":["gcp"]}}`, "GCP"},
		"Exec":              {"Any other plugin is the author's.", `{"execProviderConfig":{"command":"my-plugin","args":["gcp"]}}`, "Exec"},
		"ExecOfArgoCD":      {"So is what Argo CD's own has not.", `{"execProviderConfig":{"command":"argocd-k8s-auth","args":["x"]}}`, "Exec"},
		"ExecWithoutArgs":   {"And this.", `{"execProviderConfig":{"command":"argocd-k8s-auth"}}`, "Exec"},
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
