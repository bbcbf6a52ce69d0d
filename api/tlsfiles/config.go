package tlsfiles

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"time"
)

// memoryLifetime is for how long a pair in memory is valid: longer than a process lives.
const memoryLifetime = 5 * 365 * 24 * time.Hour

// ServerConfig is TLS 1.2 or newer with the pair in the files. Without files it is a
// self-signed pair in memory, for the given name and hosts; the caller has to warn of
// that, since nobody can know the pair beforehand. One file without the other is an
// error.
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
		return nil, errors.New("a certificate file needs a key file, and a key file a certificate file")
	default:
		files, err := Open(certFile, keyFile, log)
		if err != nil {
			return nil, err
		}
		config.GetCertificate = files.GetCertificate
	}
	return config, nil
}
