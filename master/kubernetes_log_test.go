package master

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

func TestKubernetesLog(t *testing.T) {
	var out bytes.Buffer
	ctx, end := context.WithCancel(t.Context())
	log := kubernetesLog(ctx, slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))).WithName("cache").WithValues("kind", "ClusterAgent")
	log.Info("starting")
	log.V(4).Info("listing")
	if out.Len() > 0 {
		t.Errorf("got %s, want nothing below a warning", &out)
	}
	log.Error(errors.New("refused"), "failed to watch")
	if !strings.Contains(out.String(), "refused") || !strings.Contains(out.String(), "ClusterAgent") {
		t.Errorf("got %q, want the error and its values", &out)
	}
	out.Reset()
	end()
	log.Error(errors.New("leader election lost"), "error received after stop sequence was engaged")
	if out.Len() > 0 {
		t.Errorf("after the end of the context: got %s, want nothing", &out)
	}
}
