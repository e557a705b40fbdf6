// Package audience keeps audiences: named predicates over the copy of a Stripe
// account, in versions that never change, and the customers for whom they hold.
//
// Members are worked out by one query over the copy (compile.go), when somebody
// asks and after each pass that changed the copy (run.go), and put into a file
// (set.go) that decisions read, and into a dataset of the sandbox. An audience
// changes only as a whole, from one moment's members to another's.
package audience

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
)

// Folder is where members are in the directory of an installation:
// audiences/<id>/members.
const Folder = "audiences"

// An Audience is a name for the customers of whom a predicate holds.
type Audience struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"` // unique in its sandbox, whatever the case of its letters
	Description string    `json:"description,omitempty"`
	Version     int       `json:"version"` // the newest, from 1
	Copy        string    `json:"copy,omitempty"`
	Predicate   Predicate `json:"predicate"`
	CreatedAt   time.Time `json:"createdAt"`
	UpdatedAt   time.Time `json:"updatedAt"`
	CreatedBy   string    `json:"createdBy"`
	UpdatedBy   string    `json:"updatedBy"`
	State       State     `json:"state"`

	revision int64
}

// A Version is what an audience was from some moment on. It never changes.
type Version struct {
	Number    int       `json:"version"`
	Predicate Predicate `json:"predicate"`
	Copy      string    `json:"copy,omitempty"` // name of the copy; empty for the only one
	CreatedAt time.Time `json:"createdAt"`
	CreatedBy string    `json:"createdBy"`
}

// A State says how the members of an audience are.
type State struct {
	// Made is how the members were made that there are; nil before the first time.
	Made *Made `json:"made,omitempty"`
	// Error is why the last attempt came to nothing, and Failed when that was;
	// empty where it went well. The members of before stay.
	Error  string     `json:"error,omitempty"`
	Failed *time.Time `json:"failedAt,omitempty"`
	// Dataset is the id of the dataset with the members, and DatasetError why it
	// does not have those of Made.
	Dataset      string `json:"dataset,omitempty"`
	DatasetError string `json:"datasetError,omitempty"`
	// History has the newest first, Made among them.
	History []Made `json:"history,omitempty"`

	// Of the last attempt, whatever came of it: a hash of the commits of the copy,
	// the version of the audience, and when it was.
	Seen  string    `json:"seen,omitempty"`
	Which int       `json:"triedVersion,omitempty"`
	Tried time.Time `json:"triedAt,omitzero"`
}

// maxHistory is how many calculations an audience tells of.
const maxHistory = 50

// A Copy is a copy that was opened to work out members.
type Copy interface {
	Source
	io.Closer
}

// Tables are where members are put for those who query.
type Tables interface {
	// Put lets a dataset have the rows of a set and no others, makes it where it is
	// not there, and returns its id.
	Put(ctx context.Context, c access.Caller, a Audience, s *Set) (dataset string, err error)
	// Purge removes all that a dataset had before, from the disk.
	Purge(ctx context.Context, c access.Caller, dataset string) error
	// Drop removes a dataset; one that is gone is not missed.
	Drop(ctx context.Context, c access.Caller, dataset string) error
}

// A Service keeps audiences. Make it with New.
type Service struct {
	DB  *docstore.DB
	Dir string // the folder of members
	// Open opens a copy in the caller's sandbox; "" is the only one. Version returns
	// a text that is another one with every commit to it.
	Open    func(ctx context.Context, c access.Caller, name string) (Copy, error)
	Version func(ctx context.Context, c access.Caller, name string) (string, error)
	// Operators returns who works members out by himself, for each sandbox.
	Operators  func(ctx context.Context) ([]access.Caller, error)
	OperatorIn func(ctx context.Context, org, sandbox string) (access.Caller, error)
	Tables     Tables // nil where members are in files alone
	// InUse says what needs an audience of a sandbox, as the transaction sees it; nil
	// for nothing ever does.
	InUse func(t *docstore.Tx, scope docstore.Scope, id string) (Use, error)
	Now   func() time.Time
	Log   *slog.Logger

	// Often is how often Run looks whether copies changed, Settle how long they
	// must have stood still, and Pause how long after the last time members are
	// not worked out anew; 0 for 2 s, 5 s and 1 min.
	Often, Settle, Pause time.Duration

	heavy chan struct{} // one query at a time, which may have all of the machine
	mu    sync.Mutex
	lanes map[string]*lane
	sets  sets
}

// New returns a service over what s has.
func New(s *Service) *Service {
	s.heavy, s.lanes = make(chan struct{}, 1), map[string]*lane{}
	s.sets.dir, s.sets.now = s.Dir, s.Now
	return s
}

// Kinds of documents.
const (
	kindAudience = "audience"        // key: the name in small letters
	kindVersion  = "audienceVersion" // by audience and number; parent: audience
	kindState    = "audienceState"   // by audience
)

// stored is the document of an audience.
type stored struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Version     int    `json:"version"`
	CreatedBy   string `json:"createdBy"`
	UpdatedBy   string `json:"updatedBy"`
}

// Bounds of audiences.
const (
	maxAudiences   = 200 // of a sandbox
	maxName        = 100 // characters
	maxDescription = 1000
)

// A Draft is what a caller says of an audience.
type Draft struct {
	Name        string
	Description string
	Copy        string
	Predicate   Predicate
}

func (d *Draft) check() error {
	d.Name, d.Description = strings.TrimSpace(d.Name), strings.TrimSpace(d.Description)
	switch {
	case d.Name == "" || utf8.RuneCountInString(d.Name) > maxName || strings.ContainsFunc(d.Name, func(r rune) bool { return r < ' ' }) || !docstore.Storable(d.Name):
		return problem.Errorf(problem.Invalid, "name: one line of 1 to %d characters is expected", maxName)
	case utf8.RuneCountInString(d.Description) > maxDescription || !docstore.Storable(d.Description):
		return problem.Errorf(problem.Invalid, "description: at most %d characters are expected", maxDescription)
	case len(d.Copy) > maxName || !docstore.Storable(d.Copy):
		return problem.Errorf(problem.Invalid, "copy: there is no such copy")
	}
	return d.Predicate.check()
}

func versionID(id string, n int) string { return fmt.Sprintf("%s/%d", id, n) }

// Create makes an audience.
func (s *Service) Create(ctx context.Context, c access.Caller, d Draft) (Audience, error) {
	if err := d.check(); err != nil {
		return Audience{}, err
	}
	id := uuid.NewString()
	var a Audience
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		n, err := t.Count(c.Scope(), kindAudience, "")
		if err != nil {
			return err
		}
		if n >= maxAudiences {
			return problem.Errorf(problem.Conflict, "the sandbox has %d audiences, and can't have more", n)
		}
		doc := docstore.Doc{Kind: kindAudience, ID: id, Keys: []string{strings.ToLower(d.Name)}}
		if err := t.Store(c.Scope(), doc, stored{Name: d.Name, Description: d.Description, Version: 1, CreatedBy: c.User, UpdatedBy: c.User}); err != nil {
			return taken(err, d.Name)
		}
		if err := putVersion(t, c, id, 1, d); err != nil {
			return err
		}
		a, err = read(t, c.Scope(), id)
		return err
	})
	return a, err
}

func taken(err error, name string) error {
	if errors.Is(err, docstore.ErrTaken) {
		return problem.Errorf(problem.Conflict, "there is an audience named %q already", name)
	}
	return err
}

func putVersion(t *docstore.Tx, c access.Caller, id string, n int, d Draft) error {
	_, err := t.Write(c.Scope(), docstore.Doc{Kind: kindVersion, ID: versionID(id, n), Parent: id},
		Version{Number: n, Predicate: d.Predicate, Copy: d.Copy, CreatedBy: c.User})
	return err
}

// Change replaces what is said of an audience. Another predicate or copy makes a
// new version, which is a problem.Conflict while a running experiment goes by the
// audience. match refuses a revision that is not the one that the caller saw.
func (s *Service) Change(ctx context.Context, c access.Caller, id string, match func(revision int64) error, d Draft) (Audience, error) {
	if err := d.check(); err != nil {
		return Audience{}, err
	}
	var a Audience
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		was, err := read(t, c.Scope(), id)
		if err != nil {
			return err
		}
		if err := match(was.revision); err != nil {
			return err
		}
		body := stored{Name: d.Name, Description: d.Description, Version: was.Version, CreatedBy: was.CreatedBy, UpdatedBy: c.User}
		if was.Copy != d.Copy || !same(was.Predicate, d.Predicate) {
			if err := s.mayBecome(t, c.Scope(), was); err != nil {
				return err
			}
			body.Version++
			if err := putVersion(t, c, id, body.Version, d); err != nil {
				return err
			}
		}
		doc := docstore.Doc{Kind: kindAudience, ID: id, Keys: []string{strings.ToLower(d.Name)}, Revision: was.revision}
		if err := t.Store(c.Scope(), doc, body); err != nil {
			return taken(err, d.Name)
		}
		a, err = read(t, c.Scope(), id)
		return err
	})
	return a, err
}

func same(a, b Predicate) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

// Audience returns one of the caller's sandbox; problem.NotFound.
func (s *Service) Audience(ctx context.Context, c access.Caller, id string) (a Audience, err error) {
	err = s.DB.View(ctx, func(t *docstore.Tx) error {
		a, err = read(t, c.Scope(), id)
		return err
	})
	return a, err
}

// Named returns the one of that id, or else of that name; problem.NotFound.
func (s *Service) Named(ctx context.Context, c access.Caller, name string) (a Audience, err error) {
	err = s.DB.View(ctx, func(t *docstore.Tx) error {
		if a, err = read(t, c.Scope(), name); problem.KindOf(err) != problem.NotFound {
			return err
		}
		d, other := t.Find(c.Scope(), kindAudience, strings.ToLower(name))
		if errors.Is(other, docstore.ErrNotFound) {
			return err
		}
		if other != nil {
			return other
		}
		a, err = read(t, c.Scope(), d.ID)
		return err
	})
	return a, err
}

// Audiences returns all of the caller's sandbox, oldest first.
func (s *Service) Audiences(ctx context.Context, c access.Caller) ([]Audience, error) {
	return s.audiences(ctx, c.Scope())
}

func (s *Service) audiences(ctx context.Context, scope docstore.Scope) (all []Audience, err error) {
	err = s.DB.View(ctx, func(t *docstore.Tx) error {
		all = []Audience{}
		docs, err := t.List(scope, kindAudience, docstore.Page{})
		for _, d := range docs {
			a, err := read(t, scope, d.ID)
			if err != nil {
				return err
			}
			all = append(all, a)
		}
		return err
	})
	return all, err
}

// Versions returns all versions of an audience, the newest first.
func (s *Service) Versions(ctx context.Context, c access.Caller, id string) (all []Version, err error) {
	err = s.DB.View(ctx, func(t *docstore.Tx) error {
		all = []Version{}
		a, err := read(t, c.Scope(), id)
		if err != nil {
			return err
		}
		for n := a.Version; n > 0; n-- {
			v, err := readVersion(t, c.Scope(), id, n)
			if err != nil {
				return err
			}
			all = append(all, v)
		}
		return nil
	})
	return all, err
}

// Preview says what a predicate comes to now, over a copy of the caller's sandbox.
func (s *Service) Preview(ctx context.Context, c access.Caller, d Draft, sample int) (p Preview, err error) {
	if err := d.Predicate.check(); err != nil {
		return p, err
	}
	err = s.query(ctx, c, d.Copy, func(copied Copy) error {
		p, err = Try(ctx, copied, &d.Predicate, s.Now(), sample)
		return err
	})
	return p, err
}

// query opens a copy for one query, when it is the caller's turn.
func (s *Service) query(ctx context.Context, c access.Caller, name string, do func(Copy) error) (err error) {
	select {
	case s.heavy <- struct{}{}:
		defer func() { <-s.heavy }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	copied, err := s.Open(ctx, c, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, copied.Close()) }()
	return do(copied)
}

// Delete removes an audience, its members and its dataset. One that something
// needs stays.
func (s *Service) Delete(ctx context.Context, c access.Caller, id string) error {
	a, err := s.Audience(ctx, c, id)
	if err != nil {
		return err
	}
	if err := s.DB.View(ctx, func(t *docstore.Tx) error { return s.mayGo(t, c.Scope(), a) }); err != nil {
		return err
	}
	// The document last: what is cut short can be deleted again.
	return s.alone(ctx, id, func() error {
		if a, err = s.Audience(ctx, c, id); err != nil {
			return err
		}
		if a.State.Dataset != "" && s.Tables != nil {
			if err := s.Tables.Drop(ctx, c, a.State.Dataset); err != nil {
				return fmt.Errorf("remove the dataset of the audience: %w", err)
			}
		}
		if err := s.sets.remove(id); err != nil {
			return err
		}
		return s.DB.Do(ctx, func(t *docstore.Tx) error {
			if err := t.RemoveOf(c.Scope(), kindVersion, id); err != nil {
				return err
			}
			if err := t.Remove(c.Scope(), kindState, id); err != nil {
				return err
			}
			return t.Remove(c.Scope(), kindAudience, id)
		})
	})
}

// Remove removes the members of all audiences of a sandbox that goes. The
// documents go with it, and the datasets, too.
func (s *Service) Remove(ctx context.Context, scope docstore.Scope) error {
	all, err := s.audiences(ctx, scope)
	for _, a := range all {
		if err := s.alone(ctx, a.ID, func() error { return s.sets.remove(a.ID) }); err != nil {
			return err
		}
	}
	return err
}

func read(t *docstore.Tx, scope docstore.Scope, id string) (Audience, error) {
	d, err := t.Get(scope, kindAudience, id)
	if errors.Is(err, docstore.ErrNotFound) {
		return Audience{}, &problem.Error{
			Kind: problem.NotFound, Detail: fmt.Sprintf("there is no audience %q in this sandbox", id),
			Advice: "List them (tributary audience list), or make it: under Audiences on the pages, or by POST /data/tributary/audiences",
		}
	}
	if err != nil {
		return Audience{}, err
	}
	var body stored
	if err := d.Read(&body); err != nil {
		return Audience{}, err
	}
	v, err := readVersion(t, scope, id, body.Version)
	if err != nil {
		return Audience{}, err
	}
	a := Audience{
		ID: id, Name: body.Name, Description: body.Description, Version: body.Version, Copy: v.Copy, Predicate: v.Predicate,
		CreatedAt: d.Created, UpdatedAt: d.Updated, CreatedBy: body.CreatedBy, UpdatedBy: body.UpdatedBy, revision: d.Revision,
	}
	state, err := t.Get(scope, kindState, id)
	if errors.Is(err, docstore.ErrNotFound) {
		return a, nil
	}
	if err != nil {
		return Audience{}, err
	}
	return a, state.Read(&a.State)
}

func readVersion(t *docstore.Tx, scope docstore.Scope, id string, n int) (v Version, err error) {
	d, err := t.Get(scope, kindVersion, versionID(id, n))
	if err != nil {
		return v, fmt.Errorf("version %d of audience %s: %w", n, id, err)
	}
	err = d.Read(&v)
	v.CreatedAt = d.Created
	return v, err
}
