package stripesim

// A wipe is a moment at which everything was gone.
type wipe struct {
	at    int64
	order uint64
}

// Wipe empties the account as "delete all test data" does: lists are empty,
// objects can't be retrieved, and no event tells of it; those of before are
// gone as well. Account, keys, webhook endpoints and what waits for them stay.
// What is drawn later may name customers of before, unless the Draft names one.
func (s *Sim) Wipe() {
	defer s.begin()()
	s.wipe()
}

func (s *Sim) wipe() {
	for _, sh := range s.shelves {
		sh.wiped = true
		for _, rec := range sh.changed {
			rec.removed, rec.wiped = true, true
		}
		for _, rec := range sh.added {
			rec.removed, rec.wiped = true, true
		}
	}
	s.order++
	s.wipes = append(s.wipes, wipe{s.clock.unix(), s.order})
	clear(s.inline)
	s.disputes = disputes{}
	s.stackEvents()
}

// wipedAway says whether not even a stub is left of an object.
func (s *shelf) wipedAway(o object) bool {
	if o.rec != nil {
		return o.rec.wiped
	}
	return s.wiped
}

// SetNovelty decides whether objects made from now on have what no connector
// has heard of: an unknown top-level field, and of the charges every third an
// unknown payment method.
func (s *Sim) SetNovelty(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.novelty = on
}

// withNovelty adds the field that nobody knows.
func withNovelty(tree *node) *node {
	return tree.with("provenance", fields("channel", "nimbus", "hops", 2, "verified", true))
}
