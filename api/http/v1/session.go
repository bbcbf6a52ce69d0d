package v1

// Credentials is the request body of POST /api/v1/session, by which a browser signs in.
type Credentials struct {
	// Token is a bearer token for the hub cluster.
	Token string `json:"token"`
}

// SignedIn describes the caller. It is the response of GET and POST /api/v1/session.
type SignedIn struct {
	// Required is false if this master does not require signing in.
	Required bool `json:"required"`
	// User is the name of the authenticated user.
	User string `json:"user,omitempty"`
}
