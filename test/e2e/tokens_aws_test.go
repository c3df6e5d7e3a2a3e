package e2e

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Argo CD's identity in AWS.
const (
	awsUser = "arn:aws:iam::123456789012:user/argocd"
	awsRole = "arn:aws:iam::123456789012:role/argocd-spoke" // It may assume this one.

	awsRegion    = "eu-west-1"
	awsHost      = "sts." + awsRegion + ".amazonaws.com"
	awsPrefix    = "k8s-aws-v1."
	awsTokenLife = 15 * time.Minute
	awsAlgorithm = "AWS4-HMAC-SHA256"
	awsDate      = "20060102T150405Z"
)

// awsParameters are those that EKS lets a token's request have.
var awsParameters = []string{
	"Action", "Version", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires",
	"X-Amz-Security-Token", "X-Amz-Signature", "X-Amz-SignedHeaders",
}

type awsKey struct{ id, secret, session, principal string }

// An accessEntry has an EKS cluster know a principal of AWS.
type accessEntry struct{ cluster, principal string }

// assumeRole is AWS's AssumeRole, which the role trusts the user with.
func (t *tokenServices) assumeRole(w http.ResponseWriter, r *http.Request) {
	session, err := t.session(r)
	w.Header().Set("Content-Type", "text/xml")
	if err != nil {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>%v</Message></Error></ErrorResponse>`, err)
		return
	}
	fmt.Fprintf(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>%s</AccessKeyId><SecretAccessKey>%s</SecretAccessKey><SessionToken>%s</SessionToken><Expiration>%s</Expiration>
</Credentials></AssumeRoleResult></AssumeRoleResponse>`, session.id, session.secret, session.session, time.Now().Add(accessLife).UTC().Format(time.RFC3339))
}

func (t *tokenServices) session(r *http.Request) (awsKey, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return awsKey{}, err
	}
	algorithm, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	fields := map[string]string{}
	for f := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(f), "=")
		fields[name] = value
	}
	id, scope, _ := strings.Cut(fields["Credential"], "/")
	signed, headers := strings.Split(fields["SignedHeaders"], ";"), map[string]string{"host": r.Host}
	for _, name := range signed {
		if name == "content-length" {
			headers[name] = strconv.FormatInt(r.ContentLength, 10)
		} else if name != "host" {
			headers[name] = r.Header.Get(name)
		}
	}
	form, err := url.ParseQuery(string(body))
	signature := t.key.signature(r.Method, scope, r.Header.Get("X-Amz-Date"), r.URL.Query(), headers, body)
	switch date, dated := time.Parse(awsDate, headers["x-amz-date"]); {
	case err != nil:
		return awsKey{}, err
	case algorithm != awsAlgorithm || id != t.key.id || fields["Signature"] != signature || !slices.Contains(signed, "host"):
		return awsKey{}, errors.New("the signature does not match")
	case dated != nil || time.Since(date).Abs() > awsTokenLife || scope != awsScope(date):
		return awsKey{}, errors.New("the signature is not of now and here")
	case form.Get("Action") != "AssumeRole" || form.Get("RoleArn") != awsRole || form.Get("RoleSessionName") == "":
		return awsKey{}, errors.New("the user may not do this")
	}
	session := awsKey{id: "ASIA" + rand.Text()[:16], secret: rand.Text() + rand.Text(), session: rand.Text(), principal: awsRole}
	t.cloud.remember(session.secret, session.session)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sessions[session.id] = session
	return session, nil
}

// authenticateAWS does as EKS does, and as AWS's token service does, which EKS sends the request
// in the token to. A cluster adds its own name to it. As the spoke is all clusters, the name is
// that with which the signature matches.
func (t *tokenServices) authenticateAWS(token string, now time.Time) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(string(b))
	if err != nil {
		return "", errors.New("the token holds no URL")
	}
	q := u.Query()
	get := func(name string) string { return q.Get("X-Amz-" + name) }
	for name := range q {
		if !slices.Contains(awsParameters, name) || len(q[name]) != 1 {
			return "", fmt.Errorf("the request has a parameter %s", name)
		}
	}
	id, scope, _ := strings.Cut(get("Credential"), "/")
	t.mu.Lock()
	defer t.mu.Unlock()
	key, ok := t.sessions[id]
	if id == t.key.id {
		key, ok = t.key, true
	}
	switch date, err := time.Parse(awsDate, get("Date")); {
	case u.Scheme != "https" || u.Host != awsHost || u.Path != "/":
		return "", errors.New("the request is not for AWS's token service")
	case q.Get("Action") != "GetCallerIdentity" || q.Get("Version") != "2011-06-15":
		return "", errors.New("the request does not ask who the caller is")
	case get("Algorithm") != awsAlgorithm || get("SignedHeaders") != "host;x-k8s-aws-id":
		return "", errors.New("the request is not signed for a cluster")
	case err != nil || now.Sub(date).Abs() > awsTokenLife || scope != awsScope(date):
		return "", errors.New("the request is not of now and here")
	case !ok || get("Security-Token") != key.session:
		return "", errors.New("AWS does not know the key")
	}
	signature := get("Signature")
	q.Del("X-Amz-Signature")
	for entry, user := range t.entries {
		headers := map[string]string{"host": u.Host, "x-k8s-aws-id": entry.cluster}
		if entry.principal == key.principal && signature == key.signature(http.MethodGet, scope, get("Date"), q, headers, nil) {
			return user, nil
		}
	}
	return "", errors.New("the signature does not match, or no cluster has an entry for the caller")
}

func awsScope(date time.Time) string {
	return date.UTC().Format("20060102") + "/" + awsRegion + "/sts/aws4_request"
}

// signature of a request to the path /, by AWS's Signature Version 4.
func (k awsKey) signature(method, scope, date string, query url.Values, headers map[string]string, body []byte) string {
	names := slices.Sorted(maps.Keys(headers))
	canonical := &strings.Builder{}
	fmt.Fprintf(canonical, "%s\n/\n%s\n", method, strings.ReplaceAll(query.Encode(), "+", "%20"))
	for _, name := range names {
		fmt.Fprintf(canonical, "%s:%s\n", name, headers[name])
	}
	fmt.Fprintf(canonical, "\n%s\n%x", strings.Join(names, ";"), sha256.Sum256(body))
	mac := func(key []byte, text string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	key := []byte("AWS4" + k.secret)
	for part := range strings.SplitSeq(scope, "/") {
		key = mac(key, part)
	}
	return hex.EncodeToString(mac(key, fmt.Sprintf("%s\n%s\n%s\n%x", awsAlgorithm, date, scope, sha256.Sum256([]byte(canonical.String())))))
}
