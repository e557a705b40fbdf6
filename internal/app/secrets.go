package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/tributary-data/tributary/internal/atomicfile"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/stripe"
)

// A signer is an endpoint whose events a copy takes, with one of its secrets.
// An endpoint stands there more than once while its secret is being replaced.
type signer struct {
	Endpoint string // we_…, "" where the user did not say
	URL      string // "" where the user did not say
	Secret   stripe.Secret
}

// storedSigners is the form of webhooks.json, which is the only place that
// holds secrets in clear, readable by its owner alone:
//
//	{"version":1,"endpoints":[{"endpoint":"we_1","url":"https://…/webhooks/stripe","secret":"whsec_…"}]}
type storedSigners struct {
	Version   int            `json:"version"`
	Endpoints []storedSigner `json:"endpoints"`
}

type storedSigner struct {
	Endpoint string `json:"endpoint"`
	URL      string `json:"url"`
	Secret   string `json:"secret"`
}

const signersVersion = 1

func signersPath(dir string) string { return filepath.Join(dir, "webhooks.json") }

// readSigners returns those of a directory; none is no error.
func readSigners(dir string) ([]signer, error) {
	raw, err := os.ReadFile(signersPath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	bad := func(detail string) ([]signer, error) {
		return nil, &problem.Error{
			Kind: problem.Internal, Detail: signersPath(dir) + " " + detail,
			Advice: "Remove it and add the secrets again with `tributary webhook add`",
		}
	}
	var stored storedSigners
	if json.Unmarshal(raw, &stored) != nil { // the error would repeat a part of the text
		return bad("can't be read: it is not the file that tributary wrote")
	}
	if stored.Version > signersVersion {
		return nil, fmt.Errorf("%s has version %d: written by a newer Tributary", signersPath(dir), stored.Version)
	}
	var signers []signer
	for _, s := range stored.Endpoints {
		secret, err := stripe.ParseSecret(s.Secret)
		if err != nil {
			return bad("holds a secret that is none")
		}
		signers = append(signers, signer{Endpoint: s.Endpoint, URL: s.URL, Secret: secret})
	}
	return signers, nil
}

// changeSigners replaces the signers of a directory by what change makes of
// them. Another process that does the same waits.
func changeSigners(dir string, change func([]signer) ([]signer, error)) error {
	return atomicfile.Locked(dir, func() error {
		signers, err := readSigners(dir)
		if err != nil {
			return err
		}
		if signers, err = change(signers); err != nil {
			return err
		}
		stored := storedSigners{Version: signersVersion, Endpoints: []storedSigner{}}
		for _, s := range signers {
			stored.Endpoints = append(stored.Endpoints, storedSigner{Endpoint: s.Endpoint, URL: s.URL, Secret: s.Secret.Reveal()})
		}
		text, err := json.MarshalIndent(stored, "", "  ")
		if err != nil {
			return err
		}
		return atomicfile.Write(signersPath(dir), append(text, '\n'))
	})
}

// addSigner returns a change that adds s; alone, in place of all that are known
// of its endpoint.
func addSigner(s signer, alone bool) func([]signer) ([]signer, error) {
	return func(all []signer) ([]signer, error) {
		all = slices.DeleteFunc(all, func(o signer) bool {
			return o.Secret.Equal(s.Secret) || alone && o.Endpoint == s.Endpoint
		})
		return append(all, s), nil
	}
}

// A secretFile reads a directory's secrets when the file has changed: one that
// is added or removed counts at once, without a restart.
type secretFile struct {
	dir string

	mu      sync.Mutex
	changed time.Time
	size    int64
	secrets []stripe.Secret
}

func (f *secretFile) load() ([]stripe.Secret, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(signersPath(f.dir))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.changed, f.size, f.secrets = time.Time{}, 0, nil
		return nil, nil
	case err != nil:
		return nil, err
	case info.ModTime().Equal(f.changed) && info.Size() == f.size:
		return f.secrets, nil
	}
	signers, err := readSigners(f.dir)
	if err != nil {
		return nil, err
	}
	var secrets []stripe.Secret
	for _, s := range signers {
		secrets = append(secrets, s.Secret)
	}
	f.changed, f.size, f.secrets = info.ModTime(), info.Size(), secrets
	return secrets, nil
}
