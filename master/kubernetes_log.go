package master

import (
	"context"
	"log/slog"
)

// quietHandler passes on warnings and errors only, and nothing after its context has ended.
type quietHandler struct {
	slog.Handler
	ctx context.Context
}

func (h quietHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && h.ctx.Err() == nil && h.Handler.Enabled(ctx, level)
}

// Handle checks the level again, as logr does not call Enabled for errors.
func (h quietHandler) Handle(ctx context.Context, record slog.Record) error {
	if !h.Enabled(ctx, record.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, record)
}

func (h quietHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quietHandler{h.Handler.WithAttrs(attrs), h.ctx}
}

func (h quietHandler) WithGroup(name string) slog.Handler {
	return quietHandler{h.Handler.WithGroup(name), h.ctx}
}
