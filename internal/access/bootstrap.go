package access

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/tributary-data/tributary/internal/atomicfile"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
)

// Bootstrap is what stands in bootstrap.json, which its owner alone may read:
// the integration that administers the organisation made on first start.
type Bootstrap struct {
	Org          string `json:"org_id"`
	Sandbox      string `json:"sandbox"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
}

var (
	orgForm    = regexp.MustCompile(`^[0-9A-F]{24}@AdobeOrg$`)
	clientForm = regexp.MustCompile(`^[0-9a-f]{32}$`)
	secretForm = regexp.MustCompile(`^` + secretPrefix + `[A-Za-z0-9_-]{43}$`)
)

func bootstrapPath(dir string) string { return filepath.Join(dir, "bootstrap.json") }

// ReadBootstrap reads bootstrap.json of a directory; problem.NotFound.
func ReadBootstrap(dir string) (Bootstrap, error) {
	path := bootstrapPath(dir)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Bootstrap{}, &problem.Error{
			Kind: problem.NotFound, Detail: path + " is not there",
			Advice: "`tributary integration bootstrap` writes a new one, with a new secret",
		}
	}
	if err != nil {
		return Bootstrap{}, err
	}
	var b Bootstrap
	// The parser's error would repeat a part of the text.
	if json.Unmarshal(text, &b) != nil || !orgForm.MatchString(b.Org) || !clientForm.MatchString(b.ClientID) || !secretForm.MatchString(b.ClientSecret) || b.Sandbox == "" {
		return Bootstrap{}, &problem.Error{
			Kind: problem.Conflict, Detail: path + " is not the file that tributary wrote",
			Advice: "Move it away; `tributary integration bootstrap` writes a new one, with a new secret",
		}
	}
	return b, nil
}

// Bootstrap makes the first organisation and an integration that administers
// it, unless there is one, and keeps the integration's secret in
// bootstrap.json of the directory. A file that is there is never overwritten: a
// database that begins anew takes what it says.
func (s *Service) Bootstrap(ctx context.Context, dir string) error {
	if there, err := s.Begun(ctx); there || err != nil {
		return err
	}
	return atomicfile.Locked(dir, func() error {
		if there, err := s.Begun(ctx); there || err != nil {
			return err
		}
		b, err := ReadBootstrap(dir)
		wrote := problem.KindOf(err) == problem.NotFound
		if wrote {
			b = Bootstrap{Org: newOrg(), Sandbox: "prod", ClientID: newClientID(), ClientSecret: newSecret()}
			// The file first: a crash right after it loses nothing.
			err = writeBootstrap(dir, b)
		}
		if err != nil {
			return err
		}
		late := false
		err = s.DB.Do(ctx, func(t *docstore.Tx) error {
			_, err := firstOrganisation(t)
			if late = err == nil; late || problem.KindOf(err) != problem.NotFound {
				return err
			}
			if err := s.createOrganisation(t, b.Org, s.FirstTenant); err != nil {
				return err
			}
			return s.putBootstrap(t, b)
		})
		if late && wrote { // another server began with the same database
			return os.Remove(bootstrapPath(dir))
		}
		return err
	})
}

// Begun says whether there is an organisation, and with it an installation.
func (s *Service) Begun(ctx context.Context) (bool, error) {
	_, err := s.firstOrganisation(ctx)
	if problem.KindOf(err) == problem.NotFound {
		return false, nil
	}
	return err == nil, err
}

// putBootstrap writes the integration of bootstrap.json, whose secret becomes
// the only one.
func (s *Service) putBootstrap(t *docstore.Tx, b Bootstrap) error {
	admins, err := t.Find(docstore.Scope{Org: b.Org}, roleKind, nameKey(Administrators))
	if err != nil {
		return err
	}
	i, d, err := docstore.Body[storedIntegration](t, installation, integrationKind, b.ClientID)
	if errors.Is(err, docstore.ErrNotFound) {
		i = storedIntegration{Name: "bootstrap", Account: strings.ToUpper(random(12)) + technical, Bootstrap: true}
		d, err = docstore.Doc{Kind: integrationKind, ID: b.ClientID, Parent: b.Org, Keys: []string{i.Account}}, nil
	}
	if err != nil {
		return err
	}
	i.Roles, i.Secrets = []string{admins.ID}, []storedSecret{s.stored(b.ClientSecret)}
	return t.Store(installation, d, i)
}

// RestoreBootstrap writes bootstrap.json anew where it was lost, with a new
// secret. The secrets from before, and their tokens, are worth nothing then.
func (s *Service) RestoreBootstrap(ctx context.Context, dir string) (Bootstrap, error) {
	c, err := s.Operator(ctx)
	if err != nil {
		return Bootstrap{}, err
	}
	b := Bootstrap{Org: c.Org, Sandbox: c.Sandbox.Name, ClientID: newClientID(), ClientSecret: newSecret()}
	err = atomicfile.Locked(dir, func() error {
		if _, err := os.Lstat(bootstrapPath(dir)); !errors.Is(err, fs.ErrNotExist) {
			return &problem.Error{
				Kind: problem.Conflict, Detail: bootstrapPath(dir) + " is there", Err: err,
				Advice: "It is never overwritten: move it away if its secret is not accepted",
			}
		}
		fresh := b.ClientID
		err := s.DB.Do(ctx, func(t *docstore.Tx) error {
			b.ClientID = fresh
			docs, err := t.List(installation, integrationKind, docstore.Page{Parent: b.Org})
			if err != nil {
				return err
			}
			for _, d := range docs {
				i, err := docstore.Decode[storedIntegration](d)
				if err != nil {
					return err
				}
				if i.Bootstrap {
					b.ClientID = d.ID
				}
			}
			return s.putBootstrap(t, b)
		})
		if err != nil {
			return err
		}
		return writeBootstrap(dir, b)
	})
	if err != nil {
		return Bootstrap{}, err
	}
	return b, nil
}

// writeBootstrap writes the file, whole or not at all.
func writeBootstrap(dir string, b Bootstrap) error {
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(bootstrapPath(dir), append(text, '\n'))
}
