package app

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/tributary-data/tributary/internal/sqlstore"
	"github.com/tributary-data/tributary/internal/xdm"
)

// A KeptProof is the newest proof of a resource, as the copy keeps it: its JSON
// is the value of a mark.
type KeptProof struct {
	Resource string    `json:"resource"`
	RunID    string    `json:"run_id"`
	At       time.Time `json:"at"` // when it was complete, by the host's clock
	Proof
}

// proofMark names the mark that has the newest proof of a resource.
func proofMark(resource string) string { return "proof " + resource }

// keepProofs puts down what the reconciles that ended in the pass came to.
func (p *pass) keepProofs(ctx context.Context) error {
	for _, r := range p.report.Resources {
		if r.Proof == nil || r.Proof.Unread != "" {
			continue
		}
		text, err := json.Marshal(KeptProof{r.Resource, p.report.RunID, time.Now().UTC(), *r.Proof})
		if err == nil {
			err = p.home.store.SetMark(ctx, proofMark(r.Resource), string(text))
		}
		if err != nil {
			return fmt.Errorf("the proof of %s: %w", r.Resource, err)
		}
	}
	return nil
}

// Proofs returns the newest proof of each resource of the copy in dir that was
// compared with the account, in the order of xdm.Resources.
func Proofs(ctx context.Context, dir string) ([]KeptProof, error) {
	if err := mustExist(dir); err != nil {
		return nil, err
	}
	s, err := sqlstore.OpenReadOnly(ctx, databasePath(dir))
	if err != nil {
		return nil, err
	}
	defer s.Close()
	proofs := []KeptProof{}
	for _, resource := range xdm.Resources {
		text, err := s.Mark(ctx, proofMark(resource))
		if err != nil {
			return nil, err
		}
		if text == "" {
			continue
		}
		var k KeptProof
		if err := json.Unmarshal([]byte(text), &k); err != nil {
			return nil, fmt.Errorf("the proof of %s: %w", resource, err)
		}
		proofs = append(proofs, k)
	}
	return proofs, nil
}

// Reconcile compares a resource of the copy with the account and repairs it, as
// Sync.Reconcile does; one that is under way goes on. progress, which may be
// nil, is called a few times a second. A report whose resource has a Proof means
// that it ended; what of the proof could not be read or kept is an error. No
// other pass of the Keeper may be at work.
func (k *Keeper) Reconcile(ctx context.Context, resource string, acceptDeletes bool, progress func(Progress)) (*Report, error) {
	if _, err := k.open(); err != nil {
		return nil, err
	}
	s := k.sync
	s.Resources, s.Reconcile, s.AcceptDeletes, s.Progress = []string{resource}, true, acceptDeletes, progress
	report, err := k.turn(ctx, asked, s)
	if err != nil || report.Stopped {
		return report, err
	}
	i := slices.IndexFunc(report.Resources, func(r ResourceReport) bool { return r.Resource == resource })
	if i >= 0 && report.Resources[i].Proof != nil {
		return report, report.unproved
	}
	return report, nil
}
