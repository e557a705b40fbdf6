package trial

import (
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/experiment"
)

// Running returns the experiments of a sandbox that run.
func Running(t *docstore.Tx, scope docstore.Scope) (running []experiment.Experiment, err error) {
	all, err := list(t, scope)
	for _, e := range all {
		if e.State == experiment.Running {
			running = append(running, e.Experiment)
		}
	}
	return running, err
}

// Giving returns an experiment of a sandbox that gives an offer to customers: one
// that runs and has it in a variant, else one that was stopped and ships it; the
// zero Experiment where there is none.
func Giving(t *docstore.Tx, scope docstore.Scope, offer string) (ships experiment.Experiment, err error) {
	all, err := list(t, scope)
	for _, e := range all {
		switch {
		case e.State == experiment.Running && e.Gives(offer):
			return e.Experiment, err
		case e.State == experiment.Stopped && e.Ship != "":
			if v, _ := e.Variant(e.Ship); v.Offer == offer {
				ships = e.Experiment
			}
		}
	}
	return ships, err
}
