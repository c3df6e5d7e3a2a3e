package e2e

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Argo CD's identity in each cloud, and what the clouds know of it.
const (
	googleUser    = "argocd@platform.iam.gserviceaccount.com"
	cloudPlatform = "https://www.googleapis.com/auth/cloud-platform"
	userinfoEmail = "https://www.googleapis.com/auth/userinfo.email"
	googleIssuer  = "https://" + googleHost + "/token"

	entraTenant    = "11111111-2222-3333-4444-555555555555"
	entraClient    = "22222222-3333-4444-5555-666666666666"
	entraUser      = "33333333-4444-5555-6666-777777777777" // Its object ID.
	entraAudience  = "api://AzureADTokenExchange"
	entraFederated = "system:serviceaccount:" + argocdNamespace + ":argocd-application-controller"
	aksApplication = "6dae42f8-4368-4678-94ff-3960e28e3630"

	googleHost = "oauth2.googleapis.com"
	entraHost  = "login.microsoftonline.com"

	webhookAddr = "127.0.0.1:8444"

	accessLife = time.Hour
)

// tokenHosts are the names of the token services, which have one address.
var (
	tokenHosts = []string{googleHost, entraHost, awsHost}
	tokenIP    = net.IPv4(203, 0, 113, 252) // The clusters' addresses end at 250.
)

// tokenServices play the clouds' token services, where Argo CD gets tokens of its identity, and
// what authenticates these tokens in the clouds' clusters.
type tokenServices struct {
	cloud *cloud
	hub   *controlPlane // Entra ID trusts its ServiceAccounts.
	ca    *authority    // The public's.

	google *rsa.PrivateKey // The service account's.
	entra  *rsa.PrivateKey // Signs Entra ID's access tokens.
	key    awsKey          // The IAM user's.

	mu       sync.Mutex
	granted  map[string]googleGrant // Google's, by access token.
	sessions map[string]awsKey      // Of roles, by access key ID.
	entries  map[accessEntry]string // Users of EKS clusters.
	accepted map[string]string      // Users of the tokens that a cluster accepted.
	revoked  map[string]bool
}

type googleGrant struct {
	scopes []string
	until  time.Time
}

func newTokenServices(c *cloud) (*tokenServices, error) {
	ca, err := newAuthority("public-ca")
	if err != nil {
		return nil, err
	}
	google, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	entra, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	key := awsKey{id: "AKIA" + rand.Text()[:16], secret: rand.Text() + rand.Text(), principal: awsUser}
	c.remember(key.secret)
	return &tokenServices{
		cloud: c, ca: ca, google: google, entra: entra, key: key,
		granted: map[string]googleGrant{}, sessions: map[string]awsKey{}, entries: map[accessEntry]string{},
		accepted: map[string]string{}, revoked: map[string]bool{},
	}, nil
}

// serve the token services, and the webhook of the spoke.
func (t *tokenServices) serve(ctx context.Context) error {
	services := http.NewServeMux()
	services.HandleFunc("POST "+googleHost+"/token", answer(t.googleToken))
	services.HandleFunc("GET "+entraHost+"/{tenant}/v2.0/.well-known/openid-configuration", answer(entraConfiguration))
	services.HandleFunc("POST "+entraHost+"/{tenant}/oauth2/v2.0/token", answer(t.entraToken))
	services.HandleFunc("POST "+awsHost+"/", t.assumeRole)
	webhook := http.NewServeMux()
	webhook.HandleFunc("POST /authenticate", answer(t.review))
	pair, err := t.ca.server(tokenHosts, nil)
	if err != nil {
		return err
	}
	return errors.Join(serveTLS(ctx, tokenIP.String()+":443", pair, services), serve(ctx, webhookAddr, webhook))
}

// webhookConfig has an API server ask for users of tokens. What it heard is forgotten after a
// second, so that a token which is revoked is refused at once.
func webhookConfig(path string) ([]string, error) {
	c := clientcmdapi.NewConfig()
	c.Clusters["clouds"] = &clientcmdapi.Cluster{Server: "http://" + webhookAddr + "/authenticate"}
	c.Contexts["clouds"] = &clientcmdapi.Context{Cluster: "clouds"}
	c.CurrentContext = "clouds"
	return []string{
		"--authentication-token-webhook-config-file=" + path, "--authentication-token-webhook-version=v1",
		"--authentication-token-webhook-cache-ttl=1s",
	}, clientcmd.WriteToFile(*c, path)
}

// env returns the environment of a process on the hub that has an identity in each cloud, as
// their own guides set it up.
func (t *tokenServices) env(ctx context.Context, dir string) ([]string, error) {
	pkcs8, err := x509.MarshalPKCS8PrivateKey(t.google)
	if err != nil {
		return nil, err
	}
	private := string(encode("PRIVATE KEY", pkcs8))
	google, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "platform", "private_key_id": "1", "private_key": private,
		"client_email": googleUser, "client_id": "1", "token_uri": googleIssuer,
	})
	if err != nil {
		return nil, err
	}
	projected, err := t.hub.token(ctx, argocdNamespace, "argocd-application-controller", entraAudience)
	if err != nil {
		return nil, err
	}
	t.cloud.remember(strings.Split(private, "\n")[1], projected)
	files := map[string][]byte{"ca.crt": t.ca.pem, "google.json": google, "azure-identity-token": []byte(projected)}
	return []string{
		"SSL_CERT_FILE=" + dir + "/ca.crt",
		"GOOGLE_APPLICATION_CREDENTIALS=" + dir + "/google.json",
		"AZURE_AUTHORITY_HOST=https://" + entraHost + "/", "AZURE_TENANT_ID=" + entraTenant, "AZURE_CLIENT_ID=" + entraClient,
		"AZURE_FEDERATED_TOKEN_FILE=" + dir + "/azure-identity-token",
		"AWS_REGION=" + awsRegion, "AWS_ACCESS_KEY_ID=" + t.key.id, "AWS_SECRET_ACCESS_KEY=" + t.key.secret,
	}, writeAll(dir, files)
}

// answer in JSON, or refuse.
func answer(f func(r *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		out, err := f(r)
		w.Header().Set("Content-Type", "application/json")
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			out = map[string]any{"error": "invalid_grant", "error_description": err.Error()}
		}
		_ = json.NewEncoder(w).Encode(out)
	}
}

// googleToken gives out an access token for a service account's assertion.
func (t *tokenServices) googleToken(r *http.Request) (any, error) {
	var c struct {
		Iss, Scope, Aud string
		Iat, Exp        int64
	}
	if err := verifyJWT(&t.google.PublicKey, r.PostFormValue("assertion"), &c); err != nil {
		return nil, err
	}
	now := time.Now()
	switch {
	case r.PostFormValue("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
		return nil, errors.New("another grant_type")
	case c.Iss != googleUser:
		return nil, errors.New("another issuer")
	case c.Aud != googleIssuer:
		return nil, errors.New("another audience")
	case c.Scope == "":
		return nil, errors.New("no scope")
	case c.Exp < now.Unix() || c.Iat > now.Unix() || c.Exp-c.Iat > int64(time.Hour.Seconds()):
		return nil, errors.New("not valid now")
	}
	token := "ya29." + rand.Text()
	t.cloud.remember(token)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.granted[token] = googleGrant{scopes: strings.Fields(c.Scope), until: now.Add(accessLife)}
	return map[string]any{"token_type": "Bearer", "access_token": token, "expires_in": int(accessLife.Seconds())}, nil
}

func entraConfiguration(r *http.Request) (any, error) {
	authority := "https://" + entraHost + "/" + r.PathValue("tenant")
	return map[string]any{
		"issuer": authority + "/v2.0", "token_endpoint": authority + "/oauth2/v2.0/token",
		"authorization_endpoint": authority + "/oauth2/v2.0/authorize",
	}, nil
}

type entraClaims struct {
	Aud   string `json:"aud"`
	Iss   string `json:"iss"`
	Tid   string `json:"tid"`
	Appid string `json:"appid"`
	Oid   string `json:"oid"`
	Nbf   int64  `json:"nbf"`
	Exp   int64  `json:"exp"`
}

// entraToken gives out an access token for a ServiceAccount's token. It is for whichever
// application the scope names.
func (t *tokenServices) entraToken(r *http.Request) (any, error) {
	scope := strings.Fields(r.PostFormValue("scope"))
	scope = slices.DeleteFunc(scope, func(s string) bool { return slices.Contains([]string{"openid", "offline_access", "profile"}, s) })
	switch {
	case r.PathValue("tenant") != entraTenant:
		return nil, errors.New("another tenant")
	case r.PostFormValue("client_id") != entraClient:
		return nil, errors.New("another client_id")
	case r.PostFormValue("grant_type") != "client_credentials":
		return nil, errors.New("another grant_type")
	case r.PostFormValue("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer":
		return nil, errors.New("another client_assertion_type")
	case len(scope) != 1 || !strings.HasSuffix(scope[0], "/.default"):
		return nil, fmt.Errorf("the scope is %q", scope)
	}
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{
		Token: r.PostFormValue("client_assertion"), Audiences: []string{entraAudience},
	}}
	if err := t.hub.Create(r.Context(), review); err != nil {
		return nil, err
	}
	if review.Status.User.Username != entraFederated || !slices.Contains(review.Status.Audiences, entraAudience) {
		return nil, errors.New("another federated identity")
	}
	now := time.Now()
	token, err := signJWT(t.entra, entraClaims{
		Aud: strings.TrimSuffix(scope[0], "/.default"), Iss: "https://sts.windows.net/" + entraTenant + "/",
		Tid: entraTenant, Appid: entraClient, Oid: entraUser, Nbf: now.Unix(), Exp: now.Add(accessLife).Unix(),
	})
	t.cloud.remember(token)
	return map[string]any{"token_type": "Bearer", "access_token": token, "expires_in": int(accessLife.Seconds())}, err
}

// review is the API server's question whose a token is.
func (t *tokenServices) review(r *http.Request) (any, error) {
	review := &authenticationv1.TokenReview{}
	if err := json.NewDecoder(r.Body).Decode(review); err != nil {
		return nil, err
	}
	token := review.Spec.Token
	user, err := t.authenticate(token, time.Now())
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.revoked[token] {
		err = errors.New("it was revoked")
	}
	if err != nil {
		review.Status = authenticationv1.TokenReviewStatus{Error: err.Error()}
		return review, nil
	}
	if _, ok := t.accepted[token]; !ok {
		t.accepted[token] = user
		t.cloud.remember(token) // Argo CD itself makes those for AWS.
	}
	review.Status = authenticationv1.TokenReviewStatus{Authenticated: true, User: authenticationv1.UserInfo{Username: user}}
	return review, nil
}

// revoke all tokens by which a cluster knew a user.
func (t *tokenServices) revoke(user string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for token, of := range t.accepted {
		t.revoked[token] = t.revoked[token] || of == user
	}
}

// authenticate returns the user whose token it is, at a time.
func (t *tokenServices) authenticate(token string, now time.Time) (string, error) {
	switch {
	case strings.HasPrefix(token, awsPrefix):
		return t.authenticateAWS(strings.TrimPrefix(token, awsPrefix), now)
	case strings.HasPrefix(token, "ya29."):
		return t.authenticateGoogle(token, now)
	}
	return t.authenticateEntra(token, now)
}

// authenticateGoogle does as GKE does: it knows a service account by its address only if the
// token has the scope for it.
func (t *tokenServices) authenticateGoogle(token string, now time.Time) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	g, ok := t.granted[token]
	switch {
	case !ok || now.After(g.until):
		return "", errors.New("Google did not give out this token, or it has expired")
	case !slices.Contains(g.scopes, cloudPlatform) || !slices.Contains(g.scopes, userinfoEmail):
		return "", errors.New("the token lacks a scope")
	}
	return googleUser, nil
}

// authenticateEntra does as AKS does.
func (t *tokenServices) authenticateEntra(token string, now time.Time) (string, error) {
	var c entraClaims
	if err := verifyJWT(&t.entra.PublicKey, token, &c); err != nil {
		return "", err
	}
	switch {
	case c.Aud != aksApplication:
		return "", errors.New("the token is for another application")
	case c.Tid != entraTenant || c.Iss != "https://sts.windows.net/"+entraTenant+"/":
		return "", errors.New("the token is of another tenant")
	case now.Unix() > c.Exp || now.Unix() < c.Nbf:
		return "", errors.New("the token is not valid now")
	}
	return c.Oid, nil
}

func signJWT(key *rsa.PrivateKey, claims any) (string, error) {
	b, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(b)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), err
}

func verifyJWT(key *rsa.PublicKey, token string, claims any) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return errors.New("this is not a JWT")
	}
	decoded := make([][]byte, len(parts))
	for i, p := range parts {
		b, err := base64.RawURLEncoding.DecodeString(p)
		if err != nil {
			return errors.New("this is not a JWT")
		}
		decoded[i] = b
	}
	var header map[string]string
	if err := json.Unmarshal(decoded[0], &header); err != nil || header["alg"] != "RS256" {
		return errors.New("the JWT is not signed by RS256")
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], decoded[2]); err != nil {
		return errors.New("the JWT's signature does not match")
	}
	return json.Unmarshal(decoded[1], claims)
}
