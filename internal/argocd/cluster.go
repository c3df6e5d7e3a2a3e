// Package argocd writes Argo CD's declarative cluster Secrets, as described in
// https://argo-cd.readthedocs.io/en/stable/operator-manual/declarative-setup/#clusters.
package argocd

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"k8s.io/apimachinery/pkg/util/validation"
)

const (
	// LabelSecretType marks a Secret as Argo CD's.
	LabelSecretType = "argocd.argoproj.io/secret-type"

	// SecretTypeCluster is the value of LabelSecretType of a cluster Secret.
	SecretTypeCluster = "cluster"

	// InClusterName is Argo CD's own name for the cluster that it runs in.
	InClusterName = "in-cluster"

	// maxSecretName is the length of the longest name of a Secret.
	maxSecretName = validation.DNS1123SubdomainMaxLength
)

// A Cluster is what a cluster Secret contains.
type Cluster struct {
	// Name by which Applications and ApplicationSets know the cluster.
	Name string

	// Server is the URL of the cluster's API server, without trailing slash.
	Server string

	// Project is the AppProject that the cluster belongs to. Empty for none.
	Project string

	// Namespaces that Argo CD manages; all if empty. ClusterResources says whether it
	// manages cluster-scoped resources too, where it manages only some namespaces.
	Namespaces       []string
	ClusterResources bool

	// Shard of the application controller. Nil for Argo CD's choice.
	Shard *int32

	// Labels and Annotations of the Secret, which ApplicationSets select on and
	// take values from. The label of a cluster Secret is added to them.
	Labels, Annotations map[string]string

	// Config is how to connect: a marshalled ClusterConfig.
	Config []byte
}

// Secret returns the cluster Secret's manifest. The values are in data: under
// server-side apply, a changed value in stringData is never applied.
func (c *Cluster) Secret(namespace, name string) map[string]any {
	data := map[string]any{
		"name":   encode([]byte(c.Name)),
		"server": encode([]byte(c.Server)),
		"config": encode(c.Config),
	}
	if c.Project != "" {
		data["project"] = encode([]byte(c.Project))
	}
	if len(c.Namespaces) > 0 {
		data["namespaces"] = encode([]byte(strings.Join(c.Namespaces, ",")))
	}
	if c.ClusterResources {
		data["clusterResources"] = encode([]byte("true"))
	}
	if c.Shard != nil {
		data["shard"] = encode([]byte(strconv.Itoa(int(*c.Shard))))
	}
	labels := map[string]any{}
	for k, v := range c.Labels {
		labels[k] = v
	}
	labels[LabelSecretType] = SecretTypeCluster
	metadata := map[string]any{"namespace": namespace, "name": name, "labels": labels}
	if len(c.Annotations) > 0 {
		annotations := make(map[string]any, len(c.Annotations))
		for k, v := range c.Annotations {
			annotations[k] = v
		}
		metadata["annotations"] = annotations
	}
	return map[string]any{
		"apiVersion": "v1",
		"kind":       "Secret",
		"metadata":   metadata,
		"type":       "Opaque",
		"data":       data,
	}
}

func encode(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// SecretName returns the name of the Secret for a cluster: `cluster-<name>`, made a
// DNS name, with a hash of the cluster's name where that changed it, so that no two
// clusters get one Secret.
func SecretName(cluster string) string {
	name := "cluster-" + cluster
	if len(validation.IsDNS1123Subdomain(name)) == 0 {
		return name
	}
	return hashed(name, cluster, maxSecretName)
}

// ClusterLabel returns a cluster's name as the value of a label, with a hash of the name
// where it cannot be one as it is.
func ClusterLabel(name string) string {
	if name != "" && len(validation.IsValidLabelValue(name)) == 0 {
		return name
	}
	return hashed(name, name, validation.LabelValueMaxLength)
}

// ServerLabel returns the value of a label that stands for a server's URL, which cannot be
// one itself.
func ServerLabel(server string) string { return hash(server, 16) }

// hashed returns the words of a text joined by dashes, and a hash of what they stand for. Both
// have no more than maxLength characters.
func hashed(text, of string, maxLength int) string {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	suffix := "-" + hash(of, 5)
	joined := strings.Join(words, "-")
	joined = strings.TrimRight(joined[:min(len(joined), maxLength-len(suffix))], "-")
	return strings.TrimLeft(joined+suffix, "-")
}

// hash returns the first bytes of a hash, in hexadecimal.
func hash(of string, bytes int) string {
	sum := sha256.Sum256([]byte(of))
	return hex.EncodeToString(sum[:bytes])
}

// CheckName says what is wrong with a cluster's name; nothing if it is fine.
func CheckName(name string) []string {
	switch {
	case name == "":
		return []string{"must not be empty"}
	case name == InClusterName:
		return []string{"must not be " + InClusterName + ", which is Argo CD's name for the cluster that it runs in"}
	case len(name) > maxSecretName:
		return []string{fmt.Sprintf("must have no more than %d characters", maxSecretName)}
	case strings.TrimSpace(name) != name, strings.ContainsFunc(name, unicode.IsControl):
		return []string{"must not begin or end with a space, or hold a control character"}
	}
	return nil
}

// CheckProject says what is wrong with the name of an AppProject; nothing if it is
// fine.
func CheckProject(name string) []string {
	if len(validation.IsDNS1123Subdomain(name)) > 0 {
		return []string{"must be a DNS name, like payments"}
	}
	return nil
}

// DataKeys returns the keys of a cluster Secret that Argo CD reads.
func DataKeys() []string {
	return []string{"name", "server", "config", "project", "namespaces", "clusterResources", "shard"}
}
