package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Connection says who opens the connections between master and agent.
//
// +kubebuilder:validation:Enum=Dial;Reverse
type Connection string

const (
	// Dial means that the master dials the agent.
	Dial Connection = "Dial"
	// Reverse means that the agent dials the master.
	Reverse Connection = "Reverse"
)

// LinkSpec has the settings of connections that the agent opens.
type LinkSpec struct {
	// ChannelBinding says whether the signatures of agent and master must be bound to their TLS
	// connection. Set None if a proxy in between terminates TLS, and start the agent with
	// --channel-binding=off. Anyone who controls the proxy can then read and alter reports.
	//
	// +kubebuilder:default=Required
	ChannelBinding ChannelBinding `json:"channelBinding,omitempty"`
}

// ChannelBinding says whether signatures must be bound to the TLS connection.
//
// +kubebuilder:validation:Enum=Required;None
type ChannelBinding string

const (
	// BindingRequired means that signatures must be bound.
	BindingRequired ChannelBinding = "Required"
	// BindingNone means that signatures are not bound.
	BindingNone ChannelBinding = "None"
)

// JoinSpec is the public part of a join token, as kubectl rollcall token create makes it.
type JoinSpec struct {
	// KeySHA256 is the SHA-256 of the token's one-time public key (SubjectPublicKeyInfo), in hex.
	//
	// +required
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9a-f]{64}$')",message="must be 64 lower-case hex digits: the SHA-256 of the join token's public key, as kubectl rollcall token create sets it"
	KeySHA256 string `json:"keySHA256"`

	// ExpiresAt is when the token ends. Until then, the agent whose key it has enrolled may use it
	// again; no other agent may.
	//
	// +required
	// +kubebuilder:validation:XValidation:rule="self >= timestamp('1970-01-01T00:00:00Z')",message="must be a time since 1970 in RFC 3339, such as 2026-11-22T10:00:00Z"
	ExpiresAt metav1.Time `json:"expiresAt"`
}

// IdentitySpec says how an agent proves that it is the agent of this cluster.
type IdentitySpec struct {
	// ServiceAccount accepts a token of the agent's service account in the member cluster. It
	// enrolls one key; afterwards the key is the agent's identity, and the token is not needed.
	//
	// +optional
	ServiceAccount *ServiceAccountIdentity `json:"serviceAccount,omitempty"`
}

// ServiceAccountIdentity says which service account tokens are those of the cluster's agent.
type ServiceAccountIdentity struct {
	// Issuer is the issuer of the member's service account tokens: an https URL, as in "issuer" of
	// kubectl get --raw /.well-known/openid-configuration.
	//
	// +required
	// +kubebuilder:validation:MaxLength=300
	// +kubebuilder:validation:XValidation:rule="isURL(self) && self.startsWith('https://') && !self.contains('?') && !self.contains('#') && !self.contains('@')",message="must be an https URL without user, query and fragment, as printed by: kubectl get --raw /.well-known/openid-configuration"
	Issuer string `json:"issuer"`

	// Subject is the service account of the agent.
	//
	// +kubebuilder:default="system:serviceaccount:rollcall-system:rollcall-agent"
	// +kubebuilder:validation:MaxLength=340
	// +kubebuilder:validation:XValidation:rule="self.matches('^system:serviceaccount:[a-z0-9]([a-z0-9-]*[a-z0-9])?:[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')",message="must be system:serviceaccount:NAMESPACE:NAME"
	Subject string `json:"subject,omitempty"`

	// Audience is the only audience that the agent's tokens have. The default is
	// rollcall:HUB:NAME, with the name of the ClusterAgent and the first 16 digits of the SHA-256 of
	// the hub's public signing key. The agent's projected token must have the same.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Audience string `json:"audience,omitempty"`

	// JWKS has the public keys of the issuer as a JSON Web Key Set, as printed by kubectl get --raw
	// /openid/v1/jwks. If it is empty, the master reads them from the issuer by OpenID discovery.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=65536
	JWKS string `json:"jwks,omitempty"`

	// AllowUnbound accepts tokens also with link.channelBinding: None. A proxy that terminates TLS
	// can then take the token, and enroll a key of its own before the agent does.
	//
	// +optional
	AllowUnbound bool `json:"allowUnbound,omitempty"`
}

// LinkStatus describes the idle connection of an agent that dials the master.
type LinkStatus struct {
	// Since is when the agent was admitted.
	//
	// +kubebuilder:validation:XValidation:rule="self >= timestamp('1970-01-01T00:00:00Z')",message="must be a time since 1970 in RFC 3339, such as 2026-11-22T10:00:00Z"
	Since *metav1.Time `json:"since,omitempty"`

	// Address is where the agent dialed from: its own address, or that of a proxy.
	//
	// +kubebuilder:validation:MaxLength=64
	Address string `json:"address,omitempty"`

	// RoundTrip is the time of one message and its answer, such as 23ms.
	//
	// +kubebuilder:validation:MaxLength=16
	RoundTrip string `json:"roundTrip,omitempty"`
}

// IdentityStatus has the keys that agents have enrolled, and who used the join token. To revoke a key, remove it here
// with kubectl edit --subresource=status, or delete the ClusterAgent.
type IdentityStatus struct {
	// Keys are the accepted keys: one, or two while the agent rotates its key. They have no effect
	// while spec.tls.pinnedSHA256 is set.
	//
	// +optional
	// +listType=map
	// +listMapKey=sha256
	// +kubebuilder:validation:MaxItems=4
	Keys []EnrolledKey `json:"keys,omitempty"`

	// Join is the last use of a join token.
	//
	// +optional
	Join *JoinStatus `json:"join,omitempty"`
}

// EnrolledKey is a key that an agent has enrolled.
type EnrolledKey struct {
	// SHA256 is that of the key's SubjectPublicKeyInfo, in hex.
	//
	// +required
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9a-f]{64}$')",message="must be 64 lower-case hex digits"
	SHA256 string `json:"sha256"`

	// EnrolledAt is when the key was enrolled.
	//
	// +required
	// +kubebuilder:validation:XValidation:rule="self >= timestamp('1970-01-01T00:00:00Z')",message="must be a time since 1970 in RFC 3339, such as 2026-11-22T10:00:00Z"
	EnrolledAt metav1.Time `json:"enrolledAt"`

	// By says what the agent has proved when it enrolled the key.
	//
	// +required
	By EnrolledBy `json:"by"`
}

// EnrolledBy says what an agent has proved when it enrolled a key.
//
// +kubebuilder:validation:Enum=JoinToken;ServiceAccount;Rotation
type EnrolledBy string

const (
	// ByJoinToken means that the agent had the join token of spec.join.
	ByJoinToken EnrolledBy = "JoinToken"
	// ByServiceAccount means that the agent had a token of spec.identity.serviceAccount.
	ByServiceAccount EnrolledBy = "ServiceAccount"
	// ByRotation means that the agent had the key that was accepted before.
	ByRotation EnrolledBy = "Rotation"
)

// JoinStatus is the use of a join token.
type JoinStatus struct {
	// KeySHA256 is that of the join token, as in spec.join.
	//
	// +required
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9a-f]{64}$')",message="must be 64 lower-case hex digits"
	KeySHA256 string `json:"keySHA256"`

	// UsedBy is the SHA-256 of the agent's key that it has enrolled.
	//
	// +required
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9a-f]{64}$')",message="must be 64 lower-case hex digits"
	UsedBy string `json:"usedBy"`

	// At is when that was.
	//
	// +required
	// +kubebuilder:validation:XValidation:rule="self >= timestamp('1970-01-01T00:00:00Z')",message="must be a time since 1970 in RFC 3339, such as 2026-11-22T10:00:00Z"
	At metav1.Time `json:"at"`
}
