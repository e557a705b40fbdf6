// Package audit keeps who did what: each call that changes something, and each
// that was refused to a known caller. Entries are only ever added, to the
// database and to a file. They hold no body, no query and no header.
package audit

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/time/rate"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/stripe"
)

// A Log keeps entries.
type Log struct {
	DB *docstore.DB
	// File gets each entry as a line, and besides the refusals of those whom
	// nobody knows; nil for none.
	File *File
	Now  func() time.Time
	Log  *slog.Logger
	// Address returns the address of who calls, "" where it is not known.
	Address func(*http.Request) string
	// Region is shown in each entry.
	Region string

	refusals refusals
}

// An Entry is what is kept of a call. The stored form; the names are those of
// Experience Platform's audit events, beside our own at the end.
type Entry struct {
	ID                 string    `json:"id"`
	RequestID          string    `json:"requestId"`
	PermissionResource string    `json:"permissionResource"` // the service
	PermissionType     string    `json:"permissionType"`     // WRITE, DELETE, READ
	AssetType          string    `json:"assetType"`          // Dataset, Batch, …
	AssetID            string    `json:"assetId"`
	AssetName          string    `json:"assetName"`
	Action             string    `json:"action"`      // Create, Update, Delete, Read, or the word of ?action= and ?op=
	Status             string    `json:"status"`      // Allow or Deny
	Outcome            string    `json:"outcome"`     // Success, Failure; empty where Status is Deny
	FailureCode        string    `json:"failureCode"` // the service's own, or the HTTP status
	Time               time.Time `json:"time"`
	Org                string    `json:"imsOrgId"`
	Region             string    `json:"region"`
	SandboxName        string    `json:"sandboxName"`
	SandboxID          string    `json:"sandboxId"`
	User               string    `json:"user"`
	Addresses          []string  `json:"addresses"`
	Client             string    `json:"client"`
	Method             string    `json:"method"`
	Path               string    `json:"path"`
	HTTPStatus         int       `json:"httpStatus"`
	// Unlogged is how many refusals of the same client came before this one,
	// too fast for each to have an entry.
	Unlogged int `json:"unlogged,omitempty"`
}

const kind = "audit"

// patience is how long an entry may take to be kept.
const patience = 10 * time.Second

// Observe keeps what is to be kept of a call. It is for
// gateway.Gateway.Observe.
func (l *Log) Observe(ctx context.Context, o gateway.Observation) {
	refused := o.Status == http.StatusUnauthorized || o.Status == http.StatusForbidden
	if o.Route == nil || o.Status == http.StatusTooManyRequests || !refused && !changes(o) {
		return
	}
	e := l.entry(o, refused)
	if refused {
		var ok bool
		if e.Unlogged, ok = l.refusals.count(e.Org+" "+e.Client, l.Now()); !ok {
			return
		}
	}
	if e.Org == "" { // anybody can cause it
		l.write(ctx, e)
		return
	}
	// The caller may have gone; what he did stays.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if err := l.keep(ctx, e); err != nil {
		l.Log.ErrorContext(ctx, "an entry of the audit log was not kept in the database", "request", e.RequestID, "action", e.Action, "asset", e.AssetType, "error", err)
	}
	l.write(ctx, e)
}

func (l *Log) write(ctx context.Context, e Entry) {
	if l.File == nil {
		return
	}
	if err := l.File.Write(e); err != nil {
		l.Log.ErrorContext(ctx, "an entry of the audit log was not written to its file", "request", e.RequestID, "error", err)
	}
}

// readers are the last steps of paths whose POST changes nothing.
var readers = []string{"search", "validate", "preview", "effective-policies", "metrics", "suggest", "suggestions", "query", "sql"}

func changes(o gateway.Observation) bool {
	switch o.HTTP.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return false
	case http.MethodPost:
		path := o.Service.Base + o.Route.Path
		return !slices.Contains(readers, path[strings.LastIndexByte(path, '/')+1:])
	}
	return true
}

func (l *Log) entry(o gateway.Observation, refused bool) Entry {
	e := Entry{
		ID: uuid.NewString(), RequestID: clean(o.RequestID), Time: l.Now().UTC().Truncate(time.Millisecond), Region: l.Region,
		PermissionResource: o.Service.Name, Status: "Allow", Outcome: "Success", Org: o.Caller.Org, SandboxName: o.Caller.Sandbox.Name, SandboxID: o.Caller.Sandbox.ID,
		User: o.Caller.User, Client: o.Caller.Client, Method: clean(o.HTTP.Method), Path: clean(o.HTTP.URL.Path), HTTPStatus: o.Status, Addresses: []string{},
	}
	if l.Address != nil {
		if a := l.Address(o.HTTP); a != "" {
			e.Addresses = append(e.Addresses, a)
		}
	}
	e.Action, e.PermissionType = action(o)
	e.AssetType, e.AssetID = asset(o)
	if o.Failure != nil {
		e.FailureCode = o.Failure.Code
	}
	if o.Status >= http.StatusBadRequest {
		e.Outcome = "Failure"
		if e.FailureCode == "" {
			e.FailureCode = strconv.Itoa(o.Status)
		}
	}
	if refused {
		e.Status, e.Outcome = "Deny", ""
	}
	return e
}

// action names what was asked for, and the sort of permission that it takes.
func action(o gateway.Observation) (action, permission string) {
	q := o.HTTP.URL.Query()
	for _, name := range []string{"action", "op"} {
		// A word of a service: publish, COMPLETE, re-trigger. Nothing else of a
		// query is looked at.
		if w := q.Get(name); w != "" && len(w) <= 20 && strings.Trim(strings.ToLower(w), "abcdefghijklmnopqrstuvwxyz-_") == "" && o.HTTP.Method == http.MethodPost {
			return strings.ToUpper(w[:1]) + strings.ToLower(w[1:]), "WRITE"
		}
	}
	switch o.HTTP.Method {
	case http.MethodPost:
		if !changes(o) {
			return "Read", "READ"
		}
		return "Create", "WRITE"
	case http.MethodPut, http.MethodPatch:
		return "Update", "WRITE"
	case http.MethodDelete:
		return "Delete", "DELETE"
	}
	return "Read", "READ"
}

// types are the names of what paths are about; others keep their own.
var types = map[string]string{
	"dataSets": "Dataset", "batches": "Batch", "schemas": "Schema", "fieldgroups": "FieldGroup", "mixins": "FieldGroup", "classes": "Class", "datatypes": "DataType",
	"descriptors": "Descriptor", "mappingSets": "MappingSet", "mappings": "Mapping", "sandboxes": "Sandbox", "roles": "Role", "connections": "Connection",
	"sourceConnections": "SourceConnection", "targetConnections": "TargetConnection", "flows": "Dataflow", "runs": "Run", "connectionSpecs": "ConnectionSpec",
	"flowSpecs": "FlowSpec", "identities": "IdentityNamespace", "allow-lists": "AllowList", "integrations": "Integration", "tokens": "Token", "files": "File",
}

// asset returns the kind and the id of what a call is about: the last named
// step of the path with what stands before it, else what was created.
func asset(o gateway.Observation) (kind, id string) {
	steps := strings.Split(strings.Trim(o.Route.Path, "/"), "/")
	for i, step := range slices.Backward(steps) {
		name, isVar := strings.CutPrefix(step, "{")
		if isVar && name != "container}" {
			id = clean(o.HTTP.PathValue(strings.TrimRight(name, ".}")))
			steps = steps[:i]
			break
		}
	}
	for _, step := range slices.Backward(steps) {
		if slices.Contains(readers, step) {
			continue
		}
		if !strings.HasPrefix(step, "{") && step != "" {
			kind = step
			break
		}
	}
	if t, ok := types[kind]; ok {
		kind = t
	}
	if id == "" && o.Location != "" {
		id = clean(o.Location[strings.LastIndexByte(o.Location, '/')+1:])
	}
	return kind, id
}

// clean bounds what a caller chose, and hides what looks like a key in it: one
// may stand in the wrong place.
func clean(text string) string { return stripe.Redact(text[:min(len(text), 500)]) }

// refusals bounds the entries that refusals of one client can cause, or those
// of all whom nobody knows: a hundred at once, and one a second after them.
type refusals struct {
	mu sync.Mutex
	of map[string]*refusal // by organisation and client; there are as many as have tokens
}

type refusal struct {
	limiter *rate.Limiter
	missed  int
}

// count says whether to keep a refusal, and how many were not kept before it.
func (r *refusals) count(who string, now time.Time) (missed int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == nil {
		r.of = make(map[string]*refusal)
	}
	one, ok := r.of[who]
	if !ok {
		one = &refusal{limiter: rate.NewLimiter(1, 100)}
		r.of[who] = one
	}
	if !one.limiter.AllowN(now, 1) {
		one.missed++
		return 0, false
	}
	missed, one.missed = one.missed, 0
	return missed, true
}
