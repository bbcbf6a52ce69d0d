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

// secretFile is a file with a secret.
func secretFile(t *testing.T, secret string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestURLsAreRead(t *testing.T) {
	secret := secretFile(t, "s3cret")
	for raw, name := range map[string]string{
		"prometheus+https://prom.example/api/v1/write":                                               "prometheus-prom.example",
		"prometheus+http://127.0.0.1:9090?queue=5000&timeout=3s&name=near":                           "near",
		"prometheus+https://prom.example?bearer-token-file=" + secret:                                "prometheus-prom.example",
		"influxdb+http://influx:8086?db=k8s&rp=week&username=u&password-file=" + secret:              "influxdb-influx:8086",
		"influxdb+https://influx:8086/path?org=o&bucket=b&token-file=" + secret + "&withfields=true": "influxdb-influx:8086",
		"kafka://b1:9092,b2:9092/topic?tls=true&sasl=plain&username=u&password-file=" + secret:       "kafka-b1:9092",
		"kafka://[::1]:9092?format=heapster&acks=leader&create-topic=true&name=k":                    "k",
	} {
		s, err := parse(raw)
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		if s.name != name {
			t.Errorf("%s is called %s, want %s", raw, s.name, name)
		}
		if strings.Contains(raw, "queue=") && (s.queue != 5000 || s.timeout != 3*time.Second) {
			t.Errorf("%s: queue %d, timeout %s", raw, s.queue, s.timeout)
		}
		e, err := s.open(s)
		if err != nil {
			t.Errorf("open %s: %v", raw, err)
			continue
		}
		e.close()
	}
}

func TestBadURLsAreRefusedWithWordsAndWithoutSecrets(t *testing.T) {
	for raw, words := range map[string]string{
		"http://prom.example":                                          "it begins with none of",
		"prometheus+https://":                                          "address is not host",
		"prometheus+https://prom.example?qeue=5000":                    `parameter "qeue" is not known; there are`,
		"prometheus+https://prom.example?queue=many":                   "parameter queue is not a number from 1000",
		"prometheus+https://prom.example?timeout=1h":                   "parameter timeout is not a duration",
		"prometheus+https://prom.example?name=a%20b":                   "parameter name is not 1 to 63",
		"prometheus+https://prom.example?name=a&name=b":                "given 2 times",
		"prometheus+https://u:s3cret@prom.example":                     "give username= and password-file=",
		"prometheus+https://prom.example?username=u":                   "goes together with password-file",
		"prometheus+https://prom.example?bearer-token-file=/no/such":   "names a file that cannot be used",
		"prometheus+https://prom.example?ca-file=/no/such":             "ca-file does not name",
		"prometheus+https://prom.example?password=s3cret":              `parameter "password" is not known`,
		"prometheus+https://prom.example?a=%zz":                        "cannot be read",
		"influxdb+http://influx:8086":                                  "it needs db=",
		"influxdb+http://influx:8086?db=a&bucket=b":                    "it needs db=",
		"influxdb+http://influx:8086?db=a&withfields=maybe":            "withfields is none of false, true",
		"kafka://b1:9092,b2/topic":                                     "address is not broker:port",
		"kafka://b1:9092/topic?sasl=plain":                             "sasl needs username and password-file",
		"kafka://b1:9092/topic?username=u":                             "need sasl=",
		"prometheus+https://prom.example?cert-file=/no/such&key-file=": "goes together with key-file",
	} {
		_, err := parse(raw)
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v, want %q", raw, err, words)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: the error tells the secret: %v", raw, err)
		}
	}
}

func TestTwoSinksOfOneNameAreRefused(t *testing.T) {
	urls := []string{"kafka://b1:9092", "kafka://b1:9092/other"}
	if err := Validate(urls); err == nil || !strings.Contains(err.Error(), "--sink number 2: there is a sink kafka-b1:9092 already") {
		t.Errorf("got %v", err)
	}
	urls[1] += "?name=other"
	if err := Validate(urls); err != nil {
		t.Error(err)
	}
	if _, err := New(Config{URLs: urls, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()}); err != nil {
		t.Error(err)
	}
}
