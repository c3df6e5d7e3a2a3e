package v1beta1

// A Value is the fields of the input for one value, of which at most one is set.
type Value struct {
	// Literal is the value itself.
	Literal *string

	// FieldPath is the XR's field that holds the value.
	FieldPath *string

	// EnvironmentFieldPath is the field of the pipeline's environment that holds the
	// value.
	EnvironmentFieldPath *string
}

// NameValue is the cluster's name.
func (c *Cluster) NameValue() Value {
	return Value{Literal: c.Name, FieldPath: c.NameFromFieldPath, EnvironmentFieldPath: c.NameFromEnvironmentFieldPath}
}

// ServerValue is the server's URL.
func (c *Cluster) ServerValue() Value {
	return Value{Literal: c.Server, FieldPath: c.ServerFromFieldPath, EnvironmentFieldPath: c.ServerFromEnvironmentFieldPath}
}

// ProjectValue is the project's name.
func (c *Cluster) ProjectValue() Value {
	return Value{Literal: c.Project, FieldPath: c.ProjectFromFieldPath, EnvironmentFieldPath: c.ProjectFromEnvironmentFieldPath}
}

// NameValue is the Secret's name.
func (r *SecretReference) NameValue() Value {
	return Value{Literal: r.Name, FieldPath: r.NameFromFieldPath}
}

// NamespaceValue is the Secret's namespace.
func (r *SecretReference) NamespaceValue() Value {
	return Value{Literal: r.Namespace, FieldPath: r.NamespaceFromFieldPath}
}

// ClusterNameValue is the EKS cluster's name.
func (c *AWSCredentials) ClusterNameValue() Value {
	return Value{Literal: c.ClusterName, FieldPath: c.ClusterNameFromFieldPath}
}

// RoleARNValue is the IAM role.
func (c *AWSCredentials) RoleARNValue() Value {
	return Value{Literal: c.RoleARN, FieldPath: c.RoleARNFromFieldPath, EnvironmentFieldPath: c.RoleARNFromEnvironmentFieldPath}
}
