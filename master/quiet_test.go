package master

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

func TestKubernetesTellsOfWarningsAndErrorsOnlyAndOfNoneAtTheEnd(t *testing.T) {
	var told bytes.Buffer
	ctx, end := context.WithCancel(t.Context())
	log := kubernetesLog(ctx, slog.New(slog.NewTextHandler(&told, &slog.HandlerOptions{Level: slog.LevelDebug}))).WithName("cache").WithValues("kind", "ClusterAgent")
	log.Info("starting")
	log.V(4).Info("listing")
	if told.Len() > 0 {
		t.Errorf("it told %s", &told)
	}
	log.Error(errors.New("refused"), "failed to watch")
	if !strings.Contains(told.String(), "refused") || !strings.Contains(told.String(), "ClusterAgent") {
		t.Errorf("it told %q, want the error and what it is of", &told)
	}
	told.Reset()
	end()
	log.Error(errors.New("leader election lost"), "error received after stop sequence was engaged")
	if told.Len() > 0 {
		t.Errorf("at the end it told %s", &told)
	}
}
