package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/api/jointoken"
	"rollcall.dev/rollcall/api/link"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/test/fault"
	"rollcall.dev/rollcall/test/kube"
	"rollcall.dev/rollcall/test/stack"
)

// waitEvent waits until a ClusterAgent has an Event with a reason and each of the texts.
func waitEvent(t *testing.T, name, reason string, texts ...string) {
	t.Helper()
	kube.Eventually(t, time.Minute, func() error {
		list, err := env.hub.Client().CoreV1().Events("default").List(t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.name=" + name})
		if err != nil {
			return err
		}
		var all []string
		for _, e := range list.Items {
			if e.Reason == reason && containsAll(e.Message, texts) {
				return nil
			}
			all = append(all, e.Reason+": "+e.Message)
		}
		return fmt.Errorf("got the Events %q of %s, want %s with %q", all, name, reason, texts)
	})
}

func containsAll(s string, texts []string) bool {
	for _, text := range texts {
		if !strings.Contains(s, text) {
			return false
		}
	}
	return true
}

// waitLog waits until an agent has logged a text.
func waitLog(t *testing.T, a *stack.Agent, text string) {
	t.Helper()
	kube.Eventually(t, time.Minute, func() error {
		log, err := os.ReadFile(a.LogFile)
		if err == nil && !strings.Contains(string(log), text) {
			err = fmt.Errorf("the agent %s did not log %q", a.Cluster, text)
		}
		return err
	})
}

// hubFlags returns the flags of an agent that dials the master.
func hubFlags(t *testing.T, more ...string) []string {
	t.Helper()
	return append([]string{"--hub", "wss://" + masterAddress(), "--hub-pin", servedPin(t, masterAddress())}, more...)
}

// startDialing starts an agent that dials the master.
func startDialing(t *testing.T, name string, flags ...string) *stack.Agent {
	t.Helper()
	a, err := env.stack.StartAgent(t.Context(), env.member, name, flags...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// newJoinToken returns a join token, and the file that has it.
func newJoinToken(t *testing.T, cluster string) (jointoken.Token, string) {
	t.Helper()
	keys, err := token.ReadPublicKeys(env.stack.SigningKey() + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	join, err := jointoken.New(cluster, "wss://"+masterAddress(), keys[0], time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	join.HubPin = servedPin(t, masterAddress())
	return join, writeFile(t, "token", join.Encode())
}

// joinManifest returns a ClusterAgent that a join token joins until it expires.
func joinManifest(join jointoken.Token, expiresAt time.Time) string {
	return fmt.Sprintf(`apiVersion: rollcall.dev/v1alpha1
kind: ClusterAgent
metadata: {name: %s}
spec:
  connection: Reverse
  join: {keySHA256: %s, expiresAt: %q}
`, join.Cluster, join.KeySHA256(), expiresAt.UTC().Format(time.RFC3339))
}

// TestRefusedJoinTokensAreExplained uses a join token by a second key, for another name, and after its time.
func TestRefusedJoinTokensAreExplained(t *testing.T) {
	t.Parallel()
	join, file := newJoinToken(t, "joined")
	register(t, joinManifest(join, join.ExpiresAt))
	startDialing(t, "joined", "--join-token-file", file)
	waitCondition(t, "joined", "Linked", metav1.ConditionTrue, "LinkOpen")
	waitEvent(t, "joined", "KeyEnrolled", "enrolled the agent's key by its join token")
	t.Run("used by a second key", func(t *testing.T) {
		startDialing(t, "joined-again", "--cluster-name", "joined", "--join-token-file", file)
		waitEvent(t, "joined", "LinkRefused", "the join token of joined was used at", "by another agent", "kubectl rollcall token create joined")
	})
	t.Run("for another name", func(t *testing.T) {
		startDialing(t, "joined-other", "--join-token-file", file)
		waitEvent(t, "joined", "LinkRefused", "has the join token of joined, but claims to be joined-other")
	})
	t.Run("after its time", func(t *testing.T) {
		late, file := newJoinToken(t, "joined-late")
		late.ExpiresAt = time.Now().Add(-time.Minute).Truncate(time.Second)
		if err := os.WriteFile(file, []byte(late.Encode()), 0o600); err != nil {
			t.Fatal(err)
		}
		register(t, joinManifest(late, late.ExpiresAt))
		startDialing(t, "joined-late", "--join-token-file", file)
		waitEvent(t, "joined-late", "LinkRefused", "the join token of joined-late expired at "+late.ExpiresAt.UTC().Format(time.RFC3339))
	})
	waitCondition(t, "joined", "Linked", metav1.ConditionTrue, "LinkOpen")
}

// TestRefusedKeysAreExplained has an agent with a stolen name but another key, and two agents with one key.
func TestRefusedKeysAreExplained(t *testing.T) {
	t.Parallel()
	a := startDialing(t, "twin", hubFlags(t)...)
	register(t, reverseManifest(a, ""))
	waitCondition(t, "twin", "Linked", metav1.ConditionTrue, "LinkOpen")
	thief := startDialing(t, "thief", hubFlags(t, "--cluster-name", "twin")...)
	waitEvent(t, "twin", "LinkRefused", "the agent's key is not accepted: its SHA-256 is "+thief.Pin)
	certificate := filepath.Join(filepath.Dir(env.stack.SigningKey()), "certificates", "twin")
	startDialing(t, "twin-copy", hubFlags(t, "--cluster-name", "twin", "--tls-cert-file", filepath.Join(certificate, "tls.crt"), "--tls-key-file", filepath.Join(certificate, "tls.key"))...)
	waitEvent(t, "twin", "LinkRefused", "DuplicateAgent", "another agent has the same key")
}

// TestRelayedHandshakeIsExplained lets an agent dial the master through a relay with a certificate that the agent
// accepts.
func TestRelayedHandshakeIsExplained(t *testing.T) {
	t.Parallel()
	relay := startRelay(t, fault.Config{Agent: "wss://" + masterAddress(), TLS: true})
	a := startDialing(t, "relayed", "--hub", relay.Endpoint(), "--hub-pin", relay.Pin())
	register(t, reverseManifest(a, ""))
	waitLog(t, a, "something between agent and master altered the handshake")
	waitEvent(t, "relayed", "LinkRefused", "MasterNotProved", "relayed or altered the handshake")
}

// TestServiceAccountOfARealAPIServerEnrolls enrolls an agent by a token that the member's API server has issued, and by
// the keys that it publishes. Tokens of another account and of another audience are refused.
func TestServiceAccountOfARealAPIServerEnrolls(t *testing.T) {
	t.Parallel()
	issuer, jwks := serviceAccountIssuer(t)
	keys, err := token.ReadPublicKeys(env.stack.SigningKey() + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	audience := func(cluster string) string { return link.Audience(keys[0], cluster) }
	for name, c := range map[string]struct{ account, audience, reason, text string }{
		"account":          {"enrolling", audience("account"), "KeyEnrolled", "enrolled the agent's key by its service account token"},
		"account-other":    {"another", audience("account-other"), "LinkRefused", "system:serviceaccount:default:another"},
		"account-audience": {"enrolling", "https://kubernetes.default.svc", "LinkRefused", "audience"},
		"account-name":     {"enrolling", audience("account"), "LinkRefused", "audience"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := writeFile(t, "token", requestToken(t, c.account, c.audience))
			register(t, fmt.Sprintf(`apiVersion: rollcall.dev/v1alpha1
kind: ClusterAgent
metadata: {name: %s}
spec:
  connection: Reverse
  identity: {serviceAccount: {issuer: %q, subject: "system:serviceaccount:default:enrolling", jwks: %q}}
`, name, issuer, jwks))
			startDialing(t, name, hubFlags(t, "--service-account-token-file", file)...)
			waitEvent(t, name, c.reason, c.text)
			if c.reason != "KeyEnrolled" {
				return
			}
			waitCondition(t, name, "Linked", metav1.ConditionTrue, "LinkOpen")
			if d := getCluster(t, env.master, name); len(d.Nodes) == 0 {
				t.Error("got no nodes")
			}
		})
	}
}

// serviceAccountIssuer returns the issuer of the member's tokens, and its keys as JSON, as the member's API server
// publishes them.
func serviceAccountIssuer(t *testing.T) (issuer, jwks string) {
	t.Helper()
	text, err := env.member.Kubectl("get", "--raw", "/.well-known/openid-configuration")
	if err != nil {
		t.Fatal(err)
	}
	var config struct{ Issuer string }
	if err := json.Unmarshal([]byte(text), &config); err != nil {
		t.Fatal(err)
	}
	if jwks, err = env.member.Kubectl("get", "--raw", "/openid/v1/jwks"); err != nil {
		t.Fatal(err)
	}
	return config.Issuer, jwks
}

// requestToken returns a token of a service account of the member.
func requestToken(t *testing.T, account, audience string) string {
	t.Helper()
	accounts := env.member.Client().CoreV1().ServiceAccounts("default")
	_, err := accounts.Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: account}}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	issued, err := accounts.CreateToken(t.Context(), account, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{Audiences: []string{audience}, ExpirationSeconds: new(int64(3600))},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return issued.Status.Token
}
