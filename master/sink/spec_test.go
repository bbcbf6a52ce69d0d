package sink

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// secretFile returns the path of a file with a secret.
func secretFile(t *testing.T, secret string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestValidURLsAreParsed(t *testing.T) {
	secret := secretFile(t, "s3cret")
	for rawURL, name := range map[string]string{
		"prometheus+https://prom.example/api/v1/write":                                               "prometheus-prom.example",
		"prometheus+http://127.0.0.1:9090?queue=5000&timeout=3s&name=near":                           "near",
		"prometheus+https://prom.example?bearer-token-file=" + secret:                                "prometheus-prom.example",
		"influxdb+http://influx:8086?db=k8s&rp=week&username=u&password-file=" + secret:              "influxdb-influx:8086",
		"influxdb+https://influx:8086/path?org=o&bucket=b&token-file=" + secret + "&withfields=true": "influxdb-influx:8086",
		"kafka://b1:9092,b2:9092/topic?tls=true&sasl=plain&username=u&password-file=" + secret:       "kafka-b1:9092",
		"kafka://[::1]:9092?format=heapster&acks=leader&create-topic=true&name=k":                    "k",
	} {
		s, err := parse(rawURL)
		if err != nil {
			t.Errorf("%s: got error %v, want none", rawURL, err)
			continue
		}
		if s.name != name {
			t.Errorf("%s: got name %s, want %s", rawURL, s.name, name)
		}
		if strings.Contains(rawURL, "queue=") && (s.queue != 5000 || s.timeout != 3*time.Second) {
			t.Errorf("%s: got queue %d and timeout %s, want 5000 and 3s", rawURL, s.queue, s.timeout)
		}
		e, err := s.open(s)
		if err != nil {
			t.Errorf("open %s: got error %v, want none", rawURL, err)
			continue
		}
		e.close()
	}
}

func TestInvalidURLsAreRejectedWithoutSecrets(t *testing.T) {
	for rawURL, message := range map[string]string{
		"http://prom.example":                                          "unknown scheme",
		"prometheus+https://":                                          "address must be host",
		"prometheus+https://prom.example?qeue=5000":                    `unknown parameter "qeue"; the parameters are`,
		"prometheus+https://prom.example?queue=many":                   "parameter queue must be a number from 1000",
		"prometheus+https://prom.example?timeout=1h":                   "parameter timeout must be a duration",
		"prometheus+https://prom.example?name=a%20b":                   "parameter name must be 1 to 63",
		"prometheus+https://prom.example?name=a&name=b":                "must be set once, got 2",
		"prometheus+https://u:s3cret@prom.example":                     "set username= and password-file=",
		"prometheus+https://prom.example?username=u":                   "username requires password-file",
		"prometheus+https://prom.example?bearer-token-file=/no/such":   "parameter bearer-token-file cannot be read",
		"prometheus+https://prom.example?ca-file=/no/such":             "ca-file must name",
		"prometheus+https://prom.example?password=s3cret":              `unknown parameter "password"`,
		"prometheus+https://prom.example?a=%zz":                        "invalid parameters",
		"influxdb+http://influx:8086":                                  "set db=",
		"influxdb+http://influx:8086?db=a&bucket=b":                    "set db=",
		"influxdb+http://influx:8086?db=a&withfields=maybe":            "withfields must be one of false, true",
		"kafka://b1:9092,b2/topic":                                     "address must be broker:port",
		"kafka://b1:9092/topic?sasl=plain":                             "sasl requires username and password-file",
		"kafka://b1:9092/topic?username=u":                             "require sasl=",
		"prometheus+https://prom.example?cert-file=/no/such&key-file=": "cert-file requires key-file",
	} {
		_, err := parse(rawURL)
		if err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("%s: got error %v, want %q", rawURL, err, message)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: got error %v, want it without the secret", rawURL, err)
		}
	}
}

func TestDuplicateNamesAreRejected(t *testing.T) {
	urls := []string{"kafka://b1:9092", "kafka://b1:9092/other"}
	if err := Validate(urls); err == nil || !strings.Contains(err.Error(), "--sink number 2: two sinks are named kafka-b1:9092") {
		t.Errorf("got error %v, want that the second sink has the name of the first", err)
	}
	urls[1] += "?name=other"
	if err := Validate(urls); err != nil {
		t.Error(err)
	}
	if _, err := New(Config{URLs: urls, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()}); err != nil {
		t.Error(err)
	}
}
