package ingest

import "slices"

// order puts the states that were told of an object, which come by At, in order
// within each second: neither the ids of events nor the order of Stripe's list
// tell which was first, but most events say what they changed. at is the digest
// of the state before them, "" if unknown.
func order(told []snapshot, at string) {
	for from := 0; from < len(told); {
		to := from + 1
		for to < len(told) && told[to].At == told[from].At {
			to++
		}
		for ; from < to; from++ {
			next := from + follower(told[from:to], at)
			s := told[next]
			copy(told[from+1:next+1], told[from:next])
			told[from] = s
			at = s.After
		}
	}
}

// follower returns which of some states of one second comes next: that of the
// event that changed the state at; else the first that changed nothing that
// another of them led to; the end of an object last.
func follower(told []snapshot, at string) int {
	best := -1
	for i := range told {
		s := &told[i]
		if at != "" && s.Before == at {
			return i
		}
		follows := s.Before != "" && slices.ContainsFunc(told, func(o snapshot) bool { return o.After == s.Before })
		if best < 0 && !follows && !s.Last {
			best = i
		}
	}
	return max(best, 0)
}
