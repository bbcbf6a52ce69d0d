package v1

// Version describes the master. It is the response of GET /version.
type Version struct {
	// Version is the version of the master, such as v1.2.3.
	Version string `json:"version"`
	// Local is true for `kubectl rollcall local`, which has no hub.
	Local bool `json:"local,omitempty"`
}
