package v1

// Credentials is the request body of POST /api/v1/session, which signs a browser in.
type Credentials struct {
	// Token is a bearer token for the hub cluster.
	Token string `json:"token"`
}

// SignedIn is the response of /api/v1/session, which describes the caller.
type SignedIn struct {
	// Required is false if this master does not require signing in.
	Required bool `json:"required"`
	// User is the name of the authenticated user.
	User string `json:"user,omitempty"`
}
