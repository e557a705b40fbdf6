// Package shelf keeps what was worked out of copies of accounts, so that it need
// not be again until there is a commit.
package shelf

import (
	"slices"
	"sync"
)

// A Snapshot is a state of a copy.
type Snapshot struct {
	Copy  string // another text for every copy, also of other sandboxes
	State string // another one with every commit to the copy; "" for one of which nothing is kept
}

// A Shelf keeps values, each of one state of one copy. What is put there of another
// state of the copy takes the place of what was kept of the older one. It may be used by
// many at once; what it gives is everybody's, and must not be changed.
type Shelf[V any] struct {
	most int

	mu  sync.Mutex
	all []kept[V] // the one that nobody got for longest first
}

type kept[V any] struct {
	Snapshot

	keys []string
	v    V
	size int
}

// New returns an empty shelf for values whose sizes sum up to most.
func New[V any](most int) *Shelf[V] { return &Shelf[V]{most: most} }

// Get returns what was put there by a key.
func (s *Shelf[V]) Get(of Snapshot, key string) (v V, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.all, func(k kept[V]) bool { return k.Snapshot == of && slices.Contains(k.keys, key) })
	if of.State == "" || i < 0 {
		return v, false
	}
	k := s.all[i]
	s.all = append(slices.Delete(s.all, i, i+1), k)
	return k.v, true
}

// Put keeps a value under keys, and drops those that nobody got for longest if there
// are too many. One that is larger than all may be is not kept.
func (s *Shelf[V]) Put(of Snapshot, v V, size int, keys ...string) {
	if of.State == "" || size > s.most {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = slices.DeleteFunc(s.all, func(k kept[V]) bool {
		return k.Copy == of.Copy && (k.State != of.State || slices.ContainsFunc(k.keys, func(key string) bool { return slices.Contains(keys, key) }))
	})
	s.all = append(s.all, kept[V]{of, keys, v, size})
	sum := 0
	for i, k := range slices.Backward(s.all) {
		if sum += k.size; sum > s.most {
			s.all = slices.Delete(s.all, 0, i+1)
			break
		}
	}
}
