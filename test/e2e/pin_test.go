package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http/httptest"
)

// pinOf returns the pin of a test server's certificate.
func pinOf(server *httptest.Server) string {
	sum := sha256.Sum256(server.Certificate().RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}
