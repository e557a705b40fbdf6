package registry

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/jsondoc"
	"github.com/tributary-data/tributary/internal/problem"
)

// The global resources: names as in XDM, the words are ours.
//
//go:embed global/*.json
var global embed.FS

// A library has the resources that one transaction sees.
type library struct {
	tx     *docstore.Tx
	at     docstore.Scope
	caller access.Caller
	now    time.Time
	loaded map[string]*resource // by $id; what was changed is here before it is stored
	usage  map[string]int       // by $id, filled by countUsage
}

// A resource is one class, field group, data type, schema or behavior.
type resource struct {
	stored
	ID     string
	global bool
	doc    docstore.Doc // zero for one that is new or global
}

// stored is the body of a resource's document.
type stored struct {
	Type  Type `json:"type"`
	Minor int  `json:"minor"` // of the version: 1.<minor>
	// Doc is what the client wrote, with meta:xdmType everywhere and without
	// what the registry says of the resource.
	Doc           *jsondoc.Object `json:"doc"`
	Refs          []string        `json:"refs,omitempty"` // $ids that Doc names by $ref
	Used          bool            `json:"used,omitempty"`
	Template      string          `json:"template,omitempty"` // Stripe resource that it came with
	CreatedUser   string          `json:"createdUser"`
	CreatedClient string          `json:"createdClient"`
	Modified      int64           `json:"modified"` // milliseconds
	User          string          `json:"user"`     // who changed it last
	Client        string          `json:"client"`
}

func (r *resource) version() string {
	if r.global {
		return libraryVersion
	}
	return fmt.Sprintf("1.%d", r.Minor)
}

// union says whether a schema is enabled for the union of its class.
func (r *resource) union() bool { return slices.Contains(r.Doc.Texts("meta:immutableTags"), "union") }

// locked says whether a schema may only grow.
func (r *resource) locked() bool { return r.Used || r.union() }

// kind is the document kind of a type.
func kind(t Type) string { return "xdm." + string(t) }

// Kinds of documents beside those of resources.
const (
	kindReference  = "xdm.reference" // id: from, blank, to; parent: to
	kindDescriptor = "xdm.descriptor"
	kindChange     = "xdm.change" // parent: $id of what was changed
	kindNamespace  = "xdm.namespace"
)

// get returns a resource by its $id; docstore.ErrNotFound.
func (l *library) get(id string) (*resource, error) {
	if r, ok := l.loaded[id]; ok {
		return r, nil
	}
	r, err := l.load(id)
	if err == nil {
		l.loaded[id] = r
	}
	return r, err
}

func (l *library) load(id string) (*resource, error) {
	t, name, ok := split(&l.caller, id)
	if !ok {
		return loadGlobal(id)
	}
	if !slices.Contains(own, t) || !plainName(name) {
		return nil, docstore.ErrNotFound
	}
	d, err := l.tx.Get(l.at, kind(t), name)
	if err != nil {
		return nil, err
	}
	return l.open(t, d)
}

// plainName says whether a name could be the last step of an id. Others are not
// asked for: a database may not even take them for text.
func plainName(name string) bool {
	return name != "" && len(name) <= maxName && !strings.ContainsFunc(name, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '_' && c != '-'
	})
}

// open reads a document.
func (l *library) open(t Type, d docstore.Doc) (*resource, error) {
	r := &resource{ID: namespace + l.caller.Tenant + "/" + string(t) + "/" + d.ID, doc: d}
	if err := json.Unmarshal(d.Body, &r.stored); err != nil {
		return nil, fmt.Errorf("stored resource %s: %w", r.ID, err)
	}
	return r, nil
}

func globalFile(id string) string {
	return "global/" + strings.ReplaceAll(strings.TrimPrefix(id, namespace), "/", ".") + ".json"
}

func loadGlobal(id string) (*resource, error) {
	if !strings.HasPrefix(id, namespace) || !fs.ValidPath(globalFile(id)) {
		return nil, docstore.ErrNotFound
	}
	data, err := global.ReadFile(globalFile(id))
	if err != nil {
		return nil, docstore.ErrNotFound
	}
	doc := &jsondoc.Object{}
	if err := doc.UnmarshalJSON(data); err != nil {
		return nil, fmt.Errorf("global resource %s: %w", id, err)
	}
	r := &resource{ID: id, global: true, stored: stored{Type: Type(doc.Text("meta:resourceType")), Doc: doc}}
	doc.Delete("meta:resourceType")
	if err := (&checker{}).resource(doc); err != nil {
		return nil, fmt.Errorf("global resource %s: %w", id, err)
	}
	r.Refs = references(doc)
	return r, nil
}

// globals returns the global resources of a type.
func (l *library) globals(t Type) ([]*resource, error) {
	files, err := global.ReadDir("global")
	if err != nil {
		return nil, err
	}
	var all []*resource
	for _, f := range files {
		r, err := l.get(namespace + strings.ReplaceAll(strings.TrimSuffix(f.Name(), ".json"), ".", "/"))
		if err != nil {
			return nil, err
		}
		if r.Type == t {
			all = append(all, r)
		}
	}
	return all, nil
}

// all returns the sandbox's resources of a type, oldest first.
func (l *library) all(t Type) ([]*resource, error) {
	docs, err := l.tx.List(l.at, kind(t), docstore.Page{})
	if err != nil {
		return nil, err
	}
	out := make([]*resource, len(docs))
	for i, d := range docs {
		r, err := l.open(t, d)
		if err != nil {
			return nil, err
		}
		if have, ok := l.loaded[r.ID]; ok {
			r = have
		}
		l.loaded[r.ID] = r
		out[i] = r
	}
	return out, nil
}

// find returns a resource of a type by any form of its id.
func (l *library) find(t Type, id string) (*resource, error) {
	r, err := l.get(canonical(&l.caller, t, id))
	if isNotFound(err) || err == nil && r.Type != t {
		return nil, missing(id)
	}
	return r, err
}

// findAny returns a resource of whatever type by its $id, its meta:altId or
// the last step of either.
func (l *library) findAny(id string) (*resource, error) {
	if strings.HasPrefix(id, namespace) || strings.HasPrefix(id, "_") {
		r, err := l.get(canonical(&l.caller, "", id))
		if isNotFound(err) {
			return nil, missing(id)
		}
		return r, err
	}
	for _, t := range own {
		r, err := l.find(t, id)
		if problem.KindOf(err) != problem.NotFound {
			return r, err
		}
	}
	return nil, missing(id)
}

// findOwn is find for what can be changed.
func (l *library) findOwn(t Type, id string) (*resource, error) {
	r, err := l.find(t, id)
	if err == nil && r.global {
		return nil, missing(id)
	}
	return r, err
}

// titleKey is the key by which a title is unique among the resources of a type.
func titleKey(title string) string {
	sum := sha256.Sum256([]byte(title))
	return "title:" + hex.EncodeToString(sum[:])
}

// sameTitle returns the id of another resource of the type with the title.
func (l *library) sameTitle(t Type, title, except string) (string, error) {
	d, err := l.tx.Find(l.at, kind(t), titleKey(title))
	if isNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	id := namespace + l.caller.Tenant + "/" + string(t) + "/" + d.ID
	if id == except {
		return "", nil
	}
	return id, nil
}

// save stores a resource that is new or was changed, and what it refers to.
func (l *library) save(r *resource) error {
	title := r.Doc.Text("title")
	other, err := l.sameTitle(r.Type, title, r.ID)
	if err != nil {
		return err
	}
	if other != "" {
		return refuse(titleTaken, "Title must be unique. An object %s already exists with the same title %q", other, title)
	}
	r.Modified, r.User, r.Client = l.now.UnixMilli(), l.caller.User, l.caller.Client
	refs := references(r.Doc)
	if err := l.refer(r.ID, r.Refs, refs); err != nil {
		return err
	}
	r.Refs = refs
	return l.store(r)
}

// store writes a resource's document.
func (l *library) store(r *resource) error {
	body, err := json.Marshal(r.stored)
	if err != nil {
		return err
	}
	d := r.doc
	_, name, _ := split(&l.caller, r.ID)
	d.Kind, d.ID, d.Body, d.Keys = kind(r.Type), name, body, []string{titleKey(r.Doc.Text("title"))}
	if d.Revision == 0 {
		d.Created = l.now
	}
	r.doc, err = l.tx.Put(l.at, d)
	return err
}

// A reference is the body of a document that says: this refers to that.
type reference struct {
	From string `json:"from"` // $id, or descriptor: and an id
}

// refer brings the references that go out from something up to date.
func (l *library) refer(from string, had, has []string) error {
	for _, to := range had {
		if !slices.Contains(has, to) {
			if err := l.tx.Delete(l.at, kindReference, from+" "+to); err != nil {
				return err
			}
		}
	}
	for _, to := range has {
		if slices.Contains(had, to) {
			continue
		}
		body, err := json.Marshal(reference{From: from})
		if err != nil {
			return err
		}
		if _, err := l.tx.Put(l.at, docstore.Doc{Kind: kindReference, ID: from + " " + to, Parent: to, Created: l.now, Body: body}); err != nil {
			return err
		}
	}
	return nil
}

// referrers returns what refers to a resource directly.
func (l *library) referrers(id string) ([]string, error) {
	docs, err := l.tx.List(l.at, kindReference, docstore.Page{Parent: id})
	if err != nil {
		return nil, err
	}
	var all []string
	for _, d := range docs {
		var ref reference
		if err := json.Unmarshal(d.Body, &ref); err != nil {
			return nil, err
		}
		all = append(all, ref.From)
	}
	return all, nil
}

const descriptorPrefix = "descriptor:"

// dependents returns a resource and all that is made of it, however far off.
func (l *library) dependents(r *resource) ([]*resource, error) {
	all := []*resource{r}
	seen := map[string]bool{r.ID: true}
	for i := 0; i < len(all); i++ {
		from, err := l.referrers(all[i].ID)
		if err != nil {
			return nil, err
		}
		for _, id := range from {
			if seen[id] || strings.HasPrefix(id, descriptorPrefix) {
				continue
			}
			seen[id] = true
			next, err := l.get(id)
			if err != nil {
				return nil, err
			}
			all = append(all, next)
		}
	}
	return all, nil
}

// countUsage counts for every resource how many others refer to it.
func (l *library) countUsage() error {
	docs, err := l.tx.List(l.at, kindReference, docstore.Page{})
	if err != nil {
		return err
	}
	l.usage = make(map[string]int)
	for _, d := range docs {
		l.usage[d.Parent]++
	}
	return nil
}

// references returns the $ids that a document names by $ref, each once, in
// the order in which they stand there.
func references(v any) []string {
	var all []string
	seen := make(map[string]bool)
	var visit func(v any)
	visit = func(v any) {
		switch v := v.(type) {
		case *jsondoc.Object:
			if id, _, _ := strings.Cut(v.Text("$ref"), "#"); id != "" && !seen[id] {
				seen[id] = true
				all = append(all, id)
			}
			for _, c := range v.All() {
				visit(c)
			}
		case []any:
			for _, c := range v {
				visit(c)
			}
		}
	}
	visit(v)
	return all
}
