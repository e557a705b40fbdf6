package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
)

// A Namespace says what kind of name an identity is: a mail address, a Stripe
// customer's id.
type Namespace struct {
	ID          int64  `json:"id"`
	Name        string `json:"name"`
	Code        string `json:"code"`
	Description string `json:"description"`
	Status      string `json:"status"` // ACTIVE
	IDType      string `json:"idType"` // upper case
	Kind        string `json:"namespaceType"`
	Custom      bool   `json:"custom"`
	Created     int64  `json:"createTime"` // milliseconds
	Updated     int64  `json:"updateTime"`
}

// The standard namespaces, by the original's numbers.
var standard = []Namespace{
	{ID: 4, Code: "ECID", Name: "ECID", Description: "Experience Cloud ID", IDType: "COOKIE"},
	{ID: 6, Code: "Email", Name: "Email", Description: "Email address", IDType: "EMAIL"},
	{ID: 7, Code: "Phone", Name: "Phone", Description: "Phone number", IDType: "PHONE"},
}

// firstCustom is the number of the first namespace that users make.
const firstCustom = 10_000_001

var (
	idTypes       = []string{"COOKIE", "CROSS_DEVICE", "DEVICE", "EMAIL", "MOBILE", "NON_PEOPLE", "PHONE"}
	namespaceCode = regexp.MustCompile(`^[A-Za-z0-9]{1,128}$`)
)

// Namespaces returns the identity namespaces of the sandbox.
func (s *Service) Namespaces(ctx context.Context, c access.Caller) ([]Namespace, error) {
	var out []Namespace
	err := s.do(ctx, c, func(l *library) error {
		var err error
		out, err = l.namespaces()
		return err
	})
	return out, err
}

func (l *library) namespaces() ([]Namespace, error) {
	docs, err := l.tx.List(l.at, kindNamespace, docstore.Page{})
	if err != nil {
		return nil, err
	}
	all := []Namespace{}
	for _, d := range docs {
		var n Namespace
		if err := json.Unmarshal(d.Body, &n); err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b Namespace) int { return cmp.Compare(a.ID, b.ID) })
	return all, nil
}

// namespace returns a namespace by its code or number, or docstore.ErrNotFound.
func (l *library) namespace(id string, number bool) (Namespace, error) {
	if !plainName(id) {
		return Namespace{}, docstore.ErrNotFound
	}
	var d docstore.Doc
	var err error
	if number {
		d, err = l.tx.Get(l.at, kindNamespace, id)
	} else {
		d, err = l.tx.Find(l.at, kindNamespace, codeKey(id))
	}
	if err != nil {
		return Namespace{}, err
	}
	var n Namespace
	return n, json.Unmarshal(d.Body, &n)
}

func codeKey(code string) string { return "code:" + strings.ToLower(code) }

// Namespace returns a namespace by its number.
func (s *Service) Namespace(ctx context.Context, c access.Caller, id string) (Namespace, error) {
	var out Namespace
	err := s.do(ctx, c, func(l *library) error {
		var err error
		out, err = l.namespace(id, true)
		if isNotFound(err) {
			return problem.Errorf(problem.NotFound, "Namespace id %s not found for given IMS Org %s", id, c.Org)
		}
		return err
	})
	return out, err
}

// CreateNamespace makes a namespace of name, code, type and description.
func (s *Service) CreateNamespace(ctx context.Context, c access.Caller, n Namespace) (Namespace, error) {
	if err := n.check(); err != nil {
		return Namespace{}, err
	}
	err := s.do(ctx, c, func(l *library) error {
		if _, err := l.namespace(n.Code, false); !isNotFound(err) {
			if err != nil {
				return err
			}
			return problem.Errorf(problem.Conflict, "Namespace code %s already exists. Please use a different code", n.Code)
		}
		all, err := l.namespaces()
		if err != nil {
			return err
		}
		n.ID = firstCustom
		for _, o := range all {
			n.ID = max(n.ID, o.ID+1)
		}
		n.Custom, n.Kind = true, "Custom"
		return l.putNamespace(&n, 0)
	})
	return n, err
}

// UpdateNamespace changes name and description of a namespace that a user
// made; code and type stay.
func (s *Service) UpdateNamespace(ctx context.Context, c access.Caller, id string, n Namespace) (Namespace, error) {
	if err := n.check(); err != nil {
		return Namespace{}, err
	}
	var out Namespace
	err := s.do(ctx, c, func(l *library) error {
		have, err := l.namespace(id, true)
		if isNotFound(err) {
			return problem.Errorf(problem.NotFound, "Namespace id %s not found for given IMS Org %s", id, c.Org)
		}
		if err != nil {
			return err
		}
		d, err := l.tx.Get(l.at, kindNamespace, id) // for its revision
		if err != nil {
			return err
		}
		switch {
		case !have.Custom:
			return problem.Errorf(problem.Invalid, "%s is a standard namespace, which can't be changed", have.Code)
		case have.Code != n.Code || have.IDType != n.IDType:
			return problem.Errorf(problem.Invalid, "code and idType are non editable fields")
		}
		have.Name, have.Description = n.Name, n.Description
		if err := l.putNamespace(&have, d.Revision); err != nil {
			return err
		}
		out = have
		return nil
	})
	return out, err
}

// check checks what a client gave, and writes the type in upper case.
func (n *Namespace) check() error {
	n.IDType = strings.ToUpper(strings.TrimSpace(n.IDType))
	n.Name = strings.TrimSpace(n.Name)
	switch {
	case n.Name == "" || len(n.Name) > maxTitle:
		return problem.Errorf(problem.Invalid, "name is required: a text of at most %d bytes", maxTitle)
	case !namespaceCode.MatchString(n.Code):
		return problem.Errorf(problem.Invalid, "code is required: letters and digits, at most 128")
	case !slices.Contains(idTypes, n.IDType):
		return problem.Errorf(problem.Invalid, "Please provide a valid value of idType. Valid values are: [%s]", strings.Join(idTypes, ", "))
	}
	return nil
}

func (l *library) putNamespace(n *Namespace, revision int64) error {
	n.Status, n.Updated = "ACTIVE", l.now.UnixMilli()
	if n.Created == 0 {
		n.Created = n.Updated
	}
	body, err := json.Marshal(n)
	if err != nil {
		return err
	}
	_, err = l.tx.Put(l.at, docstore.Doc{
		Kind: kindNamespace, ID: strconv.FormatInt(n.ID, 10), Revision: revision, Keys: []string{codeKey(n.Code)}, Body: body,
	})
	return err
}

// seedNamespaces makes the standard namespaces.
func (l *library) seedNamespaces() error {
	for _, n := range standard {
		n.Kind = "Standard"
		if err := l.putNamespace(&n, 0); err != nil {
			return err
		}
	}
	return nil
}
