// Package dataprep is Data Prep: mapping sets with their versions, and what
// helps to write them, checks, previews, suggestions and the list of the
// expression language.
package dataprep

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/mapping"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/xdm"
)

// Schemas is what Data Prep asks the Schema Registry.
type Schemas interface {
	// Composition returns the newest 1.x of a schema, by $id, meta:altId or its
	// last path segment; problem.NotFound.
	Composition(ctx context.Context, c access.Caller, id string) (*xdm.Composition, error)
}

// A Service keeps the mapping sets of all sandboxes.
type Service struct {
	DB      *docstore.DB
	Schemas Schemas
	Now     func() time.Time
	Random  io.Reader // for ids, and for uuid() in previews; nil for crypto/rand
}

// A Set is one version of a mapping set.
type Set struct {
	ID       string    `json:"id"`      // 32 hex digits
	Version  int       `json:"version"` // from 0
	Name     string    `json:"name,omitempty"`
	SchemaID string    `json:"schemaId"` // $id of the schema of the records
	Content  string    `json:"contentType"`
	XDM      string    `json:"xdmVersion"`
	Mappings []Mapping `json:"mappings"`
	Tags     []Tag     `json:"tags,omitempty"`
	// Nulls and Strict are kept for those who ask; they change nothing.
	Nulls  bool  `json:"allowNullValues,omitempty"`
	Strict bool  `json:"strictMapping,omitempty"`
	Input  Input `json:"input"`
	Stamp
}

// A Mapping is one line of a set. Types of sources are those of mapping.
type Mapping struct {
	ID      string  `json:"id"` // 32 hex digits
	Version int     `json:"version"`
	Type    string  `json:"type"` // ATTRIBUTE, EXPRESSION or STATIC
	Source  string  `json:"source"`
	To      string  `json:"destination"`
	Name    string  `json:"name,omitempty"`
	About   string  `json:"description,omitempty"`
	Score   float64 `json:"matchScore,omitempty"`
	// What identity services would read.
	Identity  bool   `json:"identity,omitempty"`
	Primary   bool   `json:"primaryIdentity,omitempty"`
	Group     string `json:"identityGroup,omitempty"`
	Namespace string `json:"namespaceCode,omitempty"`
	Stamp
}

// A Stamp says who made and changed something, in epoch milliseconds.
type Stamp struct {
	Created    int64  `json:"createdDate"`
	Modified   int64  `json:"modifiedDate"`
	CreatedBy  string `json:"createdBy"`
	ModifiedBy string `json:"modifiedBy"`
}

// A Tag is a client's own note on a set.
type Tag struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
}

// An Input has the ids under which the originals know the source's schema and
// the sample it was made from, and that of the output schema.
type Input struct {
	SchemaID string `json:"schemaId"`
	SampleID string `json:"sampleId"`
	OutputID string `json:"outputId"`
}

// Kinds of documents: the head of a set, with what lists need, and each of its
// versions, which never changes.
const (
	kindHead    = "mapping-set"
	kindVersion = "mapping-set-version"
)

// A head is what is stored of the newest version beside the version itself.
type head struct {
	Version  int    `json:"version"`
	Name     string `json:"name,omitempty"`
	Created  int64  `json:"created"`
	Modified int64  `json:"modified"`
}

// Newest stands for the newest version.
const Newest = -1

// MaxMappings is how many lines a set may have.
const MaxMappings = 5000

var sourceTypes = map[string]mapping.SourceType{"ATTRIBUTE": mapping.Attribute, "EXPRESSION": mapping.Expression, "STATIC": mapping.Static}

// Plain returns the mappings as package mapping compiles them.
func Plain(mappings []Mapping) []mapping.Mapping {
	plain := make([]mapping.Mapping, len(mappings))
	for i, m := range mappings {
		plain[i] = mapping.Mapping{Type: sourceTypes[m.Type], Source: m.Source, Destination: m.To}
	}
	return plain
}

// Create keeps a new set as version 0. The set needs SchemaID and Mappings;
// a mapping whose source or destination can't be read is a *Faulty, an unknown
// schema a problem.Invalid.
func (s *Service) Create(ctx context.Context, c access.Caller, set Set) (Set, error) {
	if err := s.check(ctx, c, &set); err != nil {
		return Set{}, err
	}
	set.own(nil)
	if err := s.identify(&set); err != nil {
		return Set{}, err
	}
	set.Version = 0
	set.Stamp = s.stamp(c)
	for i := range set.Mappings {
		set.Mappings[i].Version, set.Mappings[i].Stamp = 0, set.Stamp
	}
	return set, s.DB.Do(ctx, func(t *docstore.Tx) error { return put(t, c.Scope(), docstore.Doc{ID: set.ID}, set) })
}

// Put makes a new version of a set; the old ones stay. A mapping that brings
// the id of one of the newest version's continues it. Unknown sets are
// problem.NotFound; else as Create.
func (s *Service) Put(ctx context.Context, c access.Caller, id string, set Set) (Set, error) {
	before, err := s.Set(ctx, c, id, Newest)
	if err != nil {
		return Set{}, err
	}
	if err := s.check(ctx, c, &set); err != nil {
		return Set{}, err
	}
	fresh := set
	fresh.own(before.Mappings)
	if err := s.identify(&fresh); err != nil {
		return Set{}, err
	}
	now := s.stamp(c)
	var made Set
	err = s.DB.Do(ctx, func(t *docstore.Tx) error {
		doc, h, err := headOf(t, c, id)
		if err != nil {
			return err
		}
		old, err := versionOf(t, c, id, h.Version)
		if err != nil {
			return err
		}
		made = fresh // it may run again
		made.ID, made.Version, made.Input = id, h.Version+1, old.Input
		made.Stamp = Stamp{old.Created, max(now.Modified, old.Modified+1), old.CreatedBy, now.ModifiedBy}
		if made.Name == "" {
			made.Name = old.Name
		}
		made.Mappings = slices.Clone(fresh.Mappings)
		for i := range made.Mappings {
			m := &made.Mappings[i]
			m.Version, m.Stamp = 0, made.Stamp
			m.Created, m.CreatedBy = made.Modified, made.ModifiedBy
			m.continues(old.Mappings)
		}
		return put(t, c.Scope(), doc, made)
	})
	return made, err
}

// own takes away the ids of mappings that are not among the old ones.
func (set *Set) own(olds []Mapping) {
	set.Mappings = slices.Clone(set.Mappings)
	for i := range set.Mappings {
		if !slices.ContainsFunc(olds, func(o Mapping) bool { return o.ID == set.Mappings[i].ID }) {
			set.Mappings[i].ID = ""
		}
	}
}

// continues takes over what stays the same of the mapping with the same id.
func (m *Mapping) continues(olds []Mapping) {
	i := slices.IndexFunc(olds, func(o Mapping) bool { return o.ID == m.ID })
	if i < 0 {
		return
	}
	old := olds[i]
	m.Created, m.CreatedBy, m.Version = old.Created, old.CreatedBy, old.Version+1
	if m.Score == 0 {
		m.Score = old.Score
	}
	same := *m
	same.Version, same.Stamp = old.Version, old.Stamp
	if same == old {
		*m = old
	}
}

// Set returns a version of a set, or the Newest one; problem.NotFound.
func (s *Service) Set(ctx context.Context, c access.Caller, id string, version int) (Set, error) {
	var set Set
	if !isID(id) { // not every database takes every text
		return set, problem.Errorf(problem.NotFound, "there is no mapping set %q", id)
	}
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		at := version
		if at == Newest {
			_, h, err := headOf(t, c, id)
			if err != nil {
				return err
			}
			at = h.Version
		}
		var err error
		set, err = versionOf(t, c, id, at)
		return err
	})
	return set, err
}

// A Query says which sets to list.
type Query struct {
	Name         string // only those of that name; empty for all
	ByCreation   bool   // in the order in which they were created, else changed
	Descending   bool
	Start, Limit int
}

// List returns the newest versions of sets, and how many there are in all.
func (s *Service) List(ctx context.Context, c access.Caller, q Query) (sets []Set, count int, err error) {
	err = s.DB.Do(ctx, func(t *docstore.Tx) error {
		sets = nil
		docs, err := t.List(c.Scope(), kindHead, docstore.Page{})
		if err != nil {
			return err
		}
		type one struct {
			id string
			head
		}
		var all []one
		for _, d := range docs {
			h := one{id: d.ID}
			if err := json.Unmarshal(d.Body, &h.head); err != nil {
				return fmt.Errorf("mapping set %s: %w", d.ID, err)
			}
			if q.Name == "" || q.Name == h.Name {
				all = append(all, h)
			}
		}
		count = len(all)
		slices.SortStableFunc(all, func(a, b one) int { // documents come in the order of their creation
			by := cmp.Compare(a.Modified, b.Modified)
			if q.ByCreation {
				by = cmp.Compare(a.Created, b.Created)
			}
			by = cmp.Or(by, cmp.Compare(a.id, b.id))
			if q.Descending {
				return -by
			}
			return by
		})
		from := min(q.Start, len(all))
		for _, h := range all[from:min(len(all), from+q.Limit)] {
			set, err := versionOf(t, c, h.id, h.Version)
			if err != nil {
				return err
			}
			sets = append(sets, set)
		}
		return nil
	})
	return sets, count, err
}

func headOf(t *docstore.Tx, c access.Caller, id string) (docstore.Doc, head, error) {
	var h head
	d, err := t.Get(c.Scope(), kindHead, id)
	if errors.Is(err, docstore.ErrNotFound) {
		return d, h, problem.Errorf(problem.NotFound, "there is no mapping set %q", id)
	}
	if err != nil {
		return d, h, err
	}
	return d, h, json.Unmarshal(d.Body, &h)
}

func versionOf(t *docstore.Tx, c access.Caller, id string, version int) (Set, error) {
	var set Set
	d, err := t.Get(c.Scope(), kindVersion, id+"."+strconv.Itoa(version))
	if errors.Is(err, docstore.ErrNotFound) {
		if _, _, err := headOf(t, c, id); err != nil {
			return set, err
		}
		return set, problem.Errorf(problem.NotFound, "the mapping set %q has no version %d", id, version)
	}
	if err != nil {
		return set, err
	}
	return set, json.Unmarshal(d.Body, &set)
}

// put writes a version and makes it the newest; doc is the head as it was.
func put(t *docstore.Tx, scope docstore.Scope, doc docstore.Doc, set Set) error {
	v := docstore.Doc{Kind: kindVersion, ID: set.ID + "." + strconv.Itoa(set.Version), Parent: set.ID}
	if err := t.Store(scope, v, set); err != nil {
		return err
	}
	doc.Kind = kindHead
	return t.Store(scope, doc, head{set.Version, set.Name, set.Created, set.Modified})
}

func (s *Service) stamp(c access.Caller) Stamp {
	now := s.Now().UnixMilli()
	return Stamp{now, now, c.User, c.User}
}

// identify gives ids to the set, and to the mappings that bring none of their own.
func (s *Service) identify(set *Set) error {
	ids := []*string{&set.ID, &set.Input.SchemaID, &set.Input.SampleID, &set.Input.OutputID}
	seen := map[string]bool{}
	for i := range set.Mappings {
		m := &set.Mappings[i]
		if m.ID == "" || seen[m.ID] {
			ids = append(ids, &m.ID)
		}
		seen[m.ID] = true
	}
	random := make([]byte, 16*len(ids))
	if _, err := io.ReadFull(s.random(), random); err != nil {
		return fmt.Errorf("make an id: %w", err)
	}
	for i, id := range ids {
		*id = hex.EncodeToString(random[16*i : 16*i+16])
	}
	return nil
}

func isID(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 16
}

func (s *Service) random() io.Reader {
	if s.Random == nil {
		return rand.Reader
	}
	return s.Random
}
