package audience

import (
	"fmt"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
)

// A Use is what needs an audience; the zero Use is nothing.
type Use struct {
	By string // as "the running experiment X", for people
	// Running says that By is an experiment that runs, and asks only the audience's
	// customers or gives an offer only to them.
	Running bool
}

// mayBecome refuses another predicate or copy of an audience that a running
// experiment goes by: its results would be about two audiences as if these were
// one.
func (s *Service) mayBecome(t *docstore.Tx, scope docstore.Scope, a Audience) error {
	use, err := s.use(t, scope, a)
	if err != nil || !use.Running {
		return err
	}
	return &problem.Error{
		Kind: problem.Conflict, Detail: fmt.Sprintf("%s goes by the audience %q, and this would change what it compares", use.By, a.Name),
		Advice: "Make another audience and begin a new phase with it, or stop the experiment",
	}
}

// mayGo refuses to remove an audience that something needs: nobody would be of it.
func (s *Service) mayGo(t *docstore.Tx, scope docstore.Scope, a Audience) error {
	use, err := s.use(t, scope, a)
	if err != nil || use == (Use{}) {
		return err
	}
	advice := "Change that first"
	if use.Running {
		advice = "Stop that first"
	}
	return &problem.Error{Kind: problem.Conflict, Detail: fmt.Sprintf("the audience %q is used by %s", a.Name, use.By), Advice: advice}
}

func (s *Service) use(t *docstore.Tx, scope docstore.Scope, a Audience) (Use, error) {
	if s.InUse == nil {
		return Use{}, nil
	}
	return s.InUse(t, scope, a.ID)
}
