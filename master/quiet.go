package master

import (
	"context"
	"log/slog"
)

// quietHandler passes on warnings and errors only, and nothing once its context has
// ended: what is broken off then is no news.
type quietHandler struct {
	slog.Handler
	until context.Context
}

func (h quietHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && h.until.Err() == nil && h.Handler.Enabled(ctx, level)
}

// Handle asks once more: logr does not ask whether errors are wanted.
func (h quietHandler) Handle(ctx context.Context, record slog.Record) error {
	if !h.Enabled(ctx, record.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, record)
}

func (h quietHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quietHandler{h.Handler.WithAttrs(attrs), h.until}
}

func (h quietHandler) WithGroup(name string) slog.Handler {
	return quietHandler{h.Handler.WithGroup(name), h.until}
}
