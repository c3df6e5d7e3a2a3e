package kubeconfig

// A Reason is the kind of an Error. Reasons are stable: they reach the
// conditions of composite resources.
type Reason string

// Why a kubeconfig gives no connection.
const (
	// InvalidKubeconfig is a kubeconfig that cannot be read, or that cannot work for any
	// client.
	InvalidKubeconfig Reason = "InvalidKubeconfig"

	// UnsupportedCredentials is a kubeconfig whose user authenticates in a way
	// that cannot be carried over.
	UnsupportedCredentials Reason = "UnsupportedCredentials"
)

// An Error says why a kubeconfig gives no connection, and how to fix it. Its message is one
// line, and holds no text of the kubeconfig except a plugin's name.
type Error struct {
	Reason  Reason
	Message string
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Unsupported returns an Error with reason UnsupportedCredentials.
func Unsupported(message string) *Error {
	return &Error{Reason: UnsupportedCredentials, Message: message}
}

// Invalid returns an Error with reason InvalidKubeconfig.
func Invalid(message string) *Error {
	return &Error{Reason: InvalidKubeconfig, Message: message}
}
