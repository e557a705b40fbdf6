package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
)

// A Deed is what was done otherwise than by a call of the API.
type Deed struct {
	Service    string // whose rules it went by
	Action     string // Create, Update, Delete
	Permission string // WRITE, DELETE
	AssetType  string
	AssetID    string
}

// Note keeps a deed of somebody who has the database in his hands. Its entry
// has no method, path, status or address.
func (l *Log) Note(ctx context.Context, by access.Caller, d Deed) error {
	e := Entry{
		ID: uuid.NewString(), RequestID: uuid.NewString(), Time: l.Now().UTC().Truncate(time.Millisecond), Region: l.Region,
		PermissionResource: d.Service, PermissionType: d.Permission, AssetType: d.AssetType, AssetID: d.AssetID, Action: d.Action,
		Status: "Allow", Outcome: "Success", Org: by.Org, SandboxName: by.Sandbox.Name, SandboxID: by.Sandbox.ID, User: by.User, Addresses: []string{},
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience) // it was done
	defer cancel()
	err := l.keep(ctx, e)
	if l.File != nil {
		err = errors.Join(err, l.File.Write(e))
	}
	if err != nil {
		return fmt.Errorf("it was done, but the audit log lacks it: %w", err)
	}
	return nil
}

// keep puts an entry into the database.
func (l *Log) keep(ctx context.Context, e Entry) error {
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return l.DB.Do(ctx, func(t *docstore.Tx) error {
		_, err := t.Put(docstore.Scope{Org: e.Org}, docstore.Doc{Kind: kind, ID: e.ID, Parent: e.SandboxID, Created: e.Time, Body: body})
		return err
	})
}
