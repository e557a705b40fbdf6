package control

import (
	"context"
	"log/slog"
	"path/filepath"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/audit"
	"github.com/tributary-data/tributary/internal/guard"
)

// AllowList returns the list of addresses that may call the organisation of
// by, or its sandbox; problem.NotFound where everybody may.
func (c *Control) AllowList(ctx context.Context, by access.Caller, level guard.Level) (guard.List, error) {
	return c.network().List(ctx, by, level)
}

// ClearAllowList lets everybody call again, for those whom the list locked
// out. A server at work goes by it within seconds. It stands in the audit log.
func (c *Control) ClearAllowList(ctx context.Context, by access.Caller, level guard.Level) error {
	file, err := audit.OpenFile(filepath.Join(c.dir, audit.FileName))
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // each line was written whole
	if err := c.network().DeleteList(ctx, by, level); err != nil {
		return err
	}
	log := &audit.Log{DB: c.DB, File: file, Now: c.now, Log: slog.New(slog.DiscardHandler)}
	return log.Note(ctx, by, audit.Deed{Service: "network", Action: "Delete", Permission: "DELETE", AssetType: "AllowList", AssetID: string(level)})
}

func (c *Control) network() *guard.Service {
	return &guard.Service{DB: c.DB, Now: c.now, Log: slog.New(slog.DiscardHandler)}
}
