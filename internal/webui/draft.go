package webui

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/gateway"
)

// draftKind are the documents of drafts, in the sandbox's scope; they belong
// to who began them.
const draftKind = "webui.draft"

// draftLife is how long a draft is kept that nobody goes on with.
const draftLife = 30 * 24 * time.Hour

// A draft is what the workflow has been told so far of a dataflow that is to be
// made, or of one whose mapping is to be changed. Nothing of it exists
// outside of the draft until the last step.
type draft struct {
	ID    string `json:"id"`
	Owner string `json:"owner"` // user id
	// Flow is the dataflow whose mapping is changed, Set and SetVersion the mapping
	// set that it had when that began; empty for a dataflow that is to be made.
	Flow       string `json:"flow,omitempty"`
	Set        string `json:"set,omitempty"`
	SetVersion string `json:"setVersion,omitempty"`

	Connection   string `json:"connection,omitempty"`
	ResourcePath string `json:"resourcePath,omitempty"` // charges, …
	// The target: a dataset that there is, or the schema and name of a new one.
	// Schema may be a template: template:charges makes the schema, too.
	Dataset            string `json:"dataset,omitempty"`
	DatasetName        string `json:"datasetName,omitempty"`
	DatasetDescription string `json:"datasetDescription,omitempty"`
	Schema             string `json:"schema,omitempty"`
	Profile            bool   `json:"profile,omitempty"`

	Name        string   `json:"name,omitempty"` // of the dataflow
	Description string   `json:"description,omitempty"`
	Partial     bool     `json:"partial,omitempty"`
	Threshold   string   `json:"threshold,omitempty"` // percent
	Diagnostics bool     `json:"diagnostics,omitempty"`
	Alerts      []string `json:"alerts,omitempty"`

	Rules  []rule `json:"rules"`  // nil until the step of mapping was entered
	Mapped bool   `json:"mapped"` // the rules were checked and taken
	// Edits counts the changes of the rules: what was shown of older ones is not
	// to be changed. Rule is the number of the newest rule.
	Edits int `json:"edits,omitempty"`
	Rule  int `json:"rule,omitempty"`

	Frequency string `json:"frequency,omitempty"` // once, minute, hour, day, week
	Interval  int    `json:"interval,omitempty"`
	Start     int64  `json:"start,omitempty"` // seconds since 1970; 0 for at once
	Backfill  bool   `json:"backfill,omitempty"`

	// Made are the objects that a last step which was cut short has made, by
	// what they are: so that doing it again goes on from there.
	Made map[string]made `json:"made,omitempty"`
	// Busy is when somebody pressed Finish who is not told the end yet, epoch ms.
	Busy int64 `json:"busy,omitempty"`
}

// A made object is one that the draft has become so far. Sum is of the body that
// asked for it.
type made struct {
	ID  string `json:"id"`
	Sum string `json:"sum"`
}

// A rule is a line of the mapping: a source field, an expression or a text, and
// the target field.
type rule struct {
	N          int    `json:"n,omitempty"` // its name in the draft; from 1
	Source     string `json:"source"`
	Expression bool   `json:"expression,omitempty"`
	Static     bool   `json:"static,omitempty"`
	Target     string `json:"target"`
	// Kept is what else its mapping set says of it, by the names of Data Prep.
	Kept map[string]any `json:"kept,omitempty"`
}

func (r *request) scope() docstore.Scope { return r.Caller.Scope() }

// newDraft begins a draft of the caller's.
func (r *request) newDraft(d draft) (*draft, error) {
	d.ID, d.Owner = uuid.NewString(), r.Caller.User
	body, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	err = r.ui.DB.Do(r.Context(), func(t *docstore.Tx) error {
		old, err := t.List(r.scope(), draftKind, docstore.Page{Limit: 100})
		if err != nil {
			return err
		}
		for _, o := range old {
			if r.ui.Now().Sub(o.Updated) < draftLife {
				continue
			}
			if err := t.Delete(r.scope(), draftKind, o.ID); err != nil {
				return err
			}
		}
		_, err = t.Put(r.scope(), docstore.Doc{Kind: draftKind, ID: d.ID, Body: body})
		return err
	})
	return &d, err
}

// draft returns the caller's draft that the path names.
func (r *request) draft() (*draft, error) {
	var d *draft
	err := r.ui.DB.Do(r.Context(), func(t *docstore.Tx) (err error) {
		d, _, err = r.findDraft(t, r.http.PathValue("draft"))
		return err
	})
	return d, err
}

func (r *request) findDraft(t *docstore.Tx, id string) (*draft, docstore.Doc, error) {
	gone := gateway.Fail(http.StatusNotFound, "", "", "%s", r.t("There is no such draft any more. Begin again under Sources."))
	doc, err := t.Get(r.scope(), draftKind, id)
	if errors.Is(err, docstore.ErrNotFound) {
		return nil, doc, gone
	}
	if err != nil {
		return nil, doc, err
	}
	d := &draft{}
	if err := json.Unmarshal(doc.Body, d); err != nil {
		return nil, doc, err
	}
	if d.Owner != r.Caller.User {
		return nil, doc, gone
	}
	if path := r.http.URL.Path; d.Flow != "" && !strings.Contains(path, "/mapping") && !strings.HasSuffix(path, "/discard") {
		return nil, doc, gateway.Fail(http.StatusConflict, "", "", "%s", r.t("This draft changes the mapping of a dataflow, and nothing else."))
	}
	return d, doc, nil
}

// changeDraft changes the draft that the path names, and returns it as it is
// then. Change may be called more than once.
func (r *request) changeDraft(change func(*draft) error) (*draft, error) {
	var d *draft
	err := r.ui.DB.Do(r.Context(), func(t *docstore.Tx) (err error) {
		var doc docstore.Doc
		if d, doc, err = r.findDraft(t, r.http.PathValue("draft")); err != nil {
			return err
		}
		if err := change(d); err != nil {
			return err
		}
		if doc.Body, err = json.Marshal(d); err != nil {
			return err
		}
		_, err = t.Put(r.scope(), doc)
		return err
	})
	return d, err
}

// dropDraft removes a draft that has become a dataflow, or that nobody wants.
func (u *UI) dropDraft(ctx context.Context, c access.Caller, id string) error {
	return u.DB.Do(ctx, func(t *docstore.Tx) error { return t.Delete(c.Scope(), draftKind, id) })
}
