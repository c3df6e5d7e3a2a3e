package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientauthenticationv1beta1 "k8s.io/client-go/pkg/apis/clientauthentication/v1beta1"
)

// TestTokenServices has Argo CD's plugin get tokens, and checks that the played clouds accept
// only those that the real ones would. If they accepted others, TestIdentities would show
// nothing.
func TestTokenServices(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	tokens := sys.tokens
	env, err := tokens.env(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	tokens.mu.Lock()
	tokens.entries[accessEntry{cluster: "table", principal: awsUser}] = "table:user"
	tokens.entries[accessEntry{cluster: "table-role", principal: awsRole}] = "table:role"
	tokens.mu.Unlock()

	type get func() (string, error)
	plugin := func(args string, more ...string) get {
		return func() (string, error) { return k8sAuth(ctx, append(env, more...), strings.Fields(args)...) }
	}
	edited := func(from get, replace ...string) get {
		return func() (string, error) {
			token, err := from()
			if err != nil {
				return "", err
			}
			request, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(token, awsPrefix))
			return awsPrefix + base64.RawURLEncoding.EncodeToString([]byte(strings.NewReplacer(replace...).Replace(string(request)))), err
		}
	}
	// google asks for a token by an assertion that is right, except for one claim.
	google := func(key *rsa.PrivateKey, claim string, value any) get {
		return func() (string, error) {
			now := time.Now().Unix()
			claims := map[string]any{"iss": googleUser, "aud": googleIssuer, "scope": cloudPlatform + " " + userinfoEmail, "iat": now, "exp": now + 3600}
			claims[claim] = value
			assertion, err := signJWT(key, claims)
			if err != nil {
				return "", err
			}
			form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion}}
			r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			rsp, err := tokens.googleToken(r)
			if err != nil {
				return "", err
			}
			return rsp.(map[string]any)["access_token"].(string), nil
		}
	}
	federated := func(account, audience string) string {
		token, err := tokens.hub.token(ctx, argocdNamespace, account, audience)
		path := filepath.Join(dir, account+strings.ReplaceAll(audience, "/", "-"))
		if err := errors.Join(err, write(path, []byte(token))); err != nil {
			t.Fatal(err)
		}
		return "AZURE_FEDERATED_TOKEN_FILE=" + path
	}
	another, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	eks := plugin("aws --cluster-name table")
	const id = "99999999-9999-9999-9999-999999999999"

	for name, tc := range map[string]struct {
		token   get
		later   time.Duration // When a cluster gets it.
		user    string
		refused string // Why, if it is.
	}{
		"Google":                       {token: plugin("gcp"), user: googleUser},
		"Google, expired":              {token: plugin("gcp"), later: 61 * time.Minute, refused: "it has expired"},
		"Google, made up":              {token: func() (string, error) { return "ya29.x", nil }, refused: "Google did not give out"},
		"Google, without email scope":  {token: google(tokens.google, "scope", cloudPlatform), refused: "lacks a scope"},
		"Google, email scope only":     {token: google(tokens.google, "scope", userinfoEmail), refused: "lacks a scope"},
		"Google, no scope":             {token: google(tokens.google, "scope", ""), refused: "no scope"},
		"Google, another's assertion":  {token: google(another, "scope", cloudPlatform), refused: "signature does not match"},
		"Google, another issuer":       {token: google(tokens.google, "iss", "x@platform.iam.gserviceaccount.com"), refused: "another issuer"},
		"Google, another audience":     {token: google(tokens.google, "aud", "https://example.org/token"), refused: "another audience"},
		"Google, old assertion":        {token: google(tokens.google, "exp", time.Now().Unix()-1), refused: "not valid now"},
		"Azure":                        {token: plugin("azure"), user: entraUser},
		"Azure, expired":               {token: plugin("azure"), later: 61 * time.Minute, refused: "not valid now"},
		"Azure, another application":   {token: plugin("azure", "AAD_SERVER_APPLICATION_ID=https://management.azure.com"), refused: "another application"},
		"Azure, another tenant":        {token: plugin("azure", "AZURE_TENANT_ID="+id), refused: "another tenant"},
		"Azure, another client":        {token: plugin("azure", "AZURE_CLIENT_ID="+id), refused: "another client_id"},
		"Azure, another pod's token":   {token: plugin("azure", federated("argocd-applicationset-controller", entraAudience)), refused: "another federated identity"},
		"Azure, a token for another":   {token: plugin("azure", federated("argocd-application-controller", "https://example.org")), refused: "another federated identity"},
		"Azure, signed by another":     {token: func() (string, error) { return signJWT(another, entraClaims{Aud: aksApplication}) }, refused: "signature does not match"},
		"Azure, of another tenant":     {token: func() (string, error) { return signJWT(tokens.entra, entraClaims{Aud: aksApplication, Tid: id}) }, refused: "of another tenant"},
		"AWS":                          {token: eks, user: "table:user"},
		"AWS, a role":                  {token: plugin("aws --cluster-name table-role --role-arn " + awsRole), user: "table:role"},
		"AWS, expired":                 {token: eks, later: 16 * time.Minute, refused: "not of now and here"},
		"AWS, a role that is not let":  {token: plugin("aws --cluster-name table --role-arn " + awsRole), refused: "no cluster has an entry"},
		"AWS, another cluster":         {token: plugin("aws --cluster-name other"), refused: "signature does not match"},
		"AWS, another key":             {token: plugin("aws --cluster-name table", "AWS_SECRET_ACCESS_KEY=x"), refused: "signature does not match"},
		"AWS, an unknown key":          {token: plugin("aws --cluster-name table", "AWS_ACCESS_KEY_ID=AKIAX"), refused: "does not know the key"},
		"AWS, another region":          {token: plugin("aws --cluster-name table", "AWS_REGION=us-east-1"), refused: "not for AWS's token service"},
		"AWS, another action":          {token: edited(eks, "GetCallerIdentity", "GetSessionToken"), refused: "does not ask who"},
		"AWS, without cluster":         {token: edited(eks, "%3Bx-k8s-aws-id", ""), refused: "not signed for a cluster"},
		"AWS, another parameter":       {token: edited(eks, "Action=", "X=y&Action="), refused: "has a parameter X"},
		"AWS, edited":                  {token: edited(eks, "Expires=60", "Expires=900"), refused: "signature does not match"},
		"AWS, a role that is unknown":  {token: assume(tokens, tokens.key, "arn:aws:iam::123456789012:role/admin"), refused: "may not do this"},
		"AWS, a role by another's key": {token: assume(tokens, awsKey{id: tokens.key.id, secret: "x"}, awsRole), refused: "signature does not match"},
	} {
		t.Run(name, func(t *testing.T) {
			var user string
			token, err := tc.token()
			if err == nil {
				user, err = tokens.authenticate(token, time.Now().Add(tc.later))
			}
			if tc.refused == "" && err != nil {
				t.Fatalf("it is refused: %v", err)
			}
			if tc.refused != "" && (err == nil || !strings.Contains(err.Error(), tc.refused)) {
				t.Fatalf("refused for %v, not %q", err, tc.refused)
			}
			if user != tc.user {
				t.Errorf("it is of %q, not %q", user, tc.user)
			}
		})
	}
}

// k8sAuth runs Argo CD's credential plugin.
func k8sAuth(ctx context.Context, env []string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, sys.path("argocd", "bin", "argocd-k8s-auth"), args...)
	cmd.Env = env
	stderr := &bytes.Buffer{}
	cmd.Stderr = stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, stderr)
	}
	c := &clientauthenticationv1beta1.ExecCredential{}
	if err := json.Unmarshal(out, c); err != nil {
		return "", err
	}
	return c.Status.Token, nil
}

// assume a role by a key, as AWS's SDK does it.
func assume(tokens *tokenServices, key awsKey, role string) func() (string, error) {
	return func() (string, error) {
		body := url.Values{"Action": {"AssumeRole"}, "RoleArn": {role}, "RoleSessionName": {"x"}}.Encode()
		now := time.Now().UTC()
		r := httptest.NewRequest(http.MethodPost, "https://"+awsHost+"/", strings.NewReader(body))
		date, scope := now.Format(awsDate), awsScope(now)
		signature := key.signature(http.MethodPost, scope, date, nil, map[string]string{"host": awsHost, "x-amz-date": date}, []byte(body))
		r.Header.Set("X-Amz-Date", date)
		r.Header.Set("Authorization", awsAlgorithm+" Credential="+key.id+"/"+scope+", SignedHeaders=host;x-amz-date, Signature="+signature)
		_, err := tokens.session(r)
		return "", err
	}
}
