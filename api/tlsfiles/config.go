package tlsfiles

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"time"
)

// memoryLifetime is the validity of a certificate in memory, longer than any process runs.
const memoryLifetime = 5 * 365 * 24 * time.Hour

// ServerConfig returns a TLS 1.2+ configuration with the certificate and key in the files. Without
// files it uses a self-signed certificate in memory for the given name and hosts; the caller
// should log a warning, since clients cannot know that certificate in advance. It returns an error
// if only one file is given.
func ServerConfig(certFile, keyFile string, log *slog.Logger, commonName string, hosts ...string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	switch {
	case certFile == "" && keyFile == "":
		pair, err := SelfSigned(commonName, hosts, memoryLifetime)
		if err != nil {
			return nil, err
		}
		cert, err := pair.Certificate()
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{cert}
	case certFile == "" || keyFile == "":
		return nil, errors.New("a certificate file needs a key file and vice versa: set both or none")
	default:
		files, err := Open(certFile, keyFile, log)
		if err != nil {
			return nil, err
		}
		config.GetCertificate = files.GetCertificate
	}
	return config, nil
}
