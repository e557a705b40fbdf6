package server

import (
	"crypto/tls"
	"log/slog"
	"os"
	"sync"

	"github.com/tributary-data/tributary/internal/problem"
)

// Files are a certificate with its chain, and its key, in PEM.
type Files struct{ Cert, Key string }

// A pair follows the files: a renewed certificate counts from the next
// connection on.
type pair struct {
	files Files
	log   *slog.Logger

	mu        sync.Mutex
	cert      *tls.Certificate
	seen      [2]os.FileInfo
	complains bool // has complained about the files as they are
}

func (f Files) load(log *slog.Logger) (*pair, error) {
	if f.Cert == "" || f.Key == "" {
		return nil, problem.Errorf(problem.Invalid, "TLS takes both, a certificate (--tls-cert) and its key (--tls-key)")
	}
	p := &pair{files: f, log: log}
	if err := p.read(); err != nil {
		return nil, &problem.Error{
			Kind: problem.Invalid, Detail: "the certificate " + f.Cert + " and the key " + f.Key + " can't be used", Err: err,
			Advice: "Both are files in PEM; the certificate comes first, its chain behind it",
		}
	}
	return p, nil
}

// read reads the files; if they can't be used all stays as it was.
func (p *pair) read() error {
	seen, err := p.stat()
	if err != nil {
		return err
	}
	cert, err := tls.LoadX509KeyPair(p.files.Cert, p.files.Key)
	if err != nil {
		return err
	}
	p.cert, p.seen, p.complains = &cert, seen, false
	return nil
}

func (p *pair) stat() (seen [2]os.FileInfo, err error) {
	for i, name := range []string{p.files.Cert, p.files.Key} {
		if seen[i], err = os.Stat(name); err != nil {
			return seen, err
		}
	}
	return seen, nil
}

// certificate is for tls.Config.GetCertificate. While the files are being
// replaced, or are broken, it goes on with what it has.
func (p *pair) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.changed() {
		if err := p.read(); err != nil && !p.complains {
			p.complains = true
			p.log.Error("the changed certificate can't be used; the old one stays", "error", err)
		}
	}
	return p.cert, nil
}

func (p *pair) changed() bool {
	now, err := p.stat()
	if err != nil {
		return true
	}
	for i, was := range p.seen {
		if !os.SameFile(now[i], was) || !now[i].ModTime().Equal(was.ModTime()) || now[i].Size() != was.Size() {
			return true
		}
	}
	return false
}
