package shelf_test

import (
	"testing"

	"github.com/tributary-data/tributary/internal/shelf"
)

// What is kept is found until the copy changes, or until there is too much.
func TestShelf(t *testing.T) {
	t.Parallel()
	mine, newer, theirs := shelf.Snapshot{Copy: "mine", State: "1"}, shelf.Snapshot{Copy: "mine", State: "2"}, shelf.Snapshot{Copy: "theirs", State: "1"}
	s := shelf.New[string](10)
	has := func(of shelf.Snapshot, key, want string) {
		t.Helper()
		if got, ok := s.Get(of, key); got != want || ok != (want != "") {
			t.Errorf("%v %s: %q %t, want %q", of, key, got, ok, want)
		}
	}
	has(mine, "a", "")
	s.Put(mine, "one", 4, "a", "b")
	s.Put(theirs, "two", 4, "a")
	has(mine, "a", "one")
	has(mine, "b", "one")
	has(mine, "c", "")
	has(theirs, "a", "two")
	has(newer, "a", "")

	s.Put(mine, "three", 4, "c") // the first that nobody got since goes
	has(mine, "a", "")
	has(theirs, "a", "two")
	has(mine, "c", "three")

	s.Put(newer, "four", 2, "a")
	has(mine, "c", "")
	has(newer, "a", "four")
	has(theirs, "a", "two")
	s.Put(newer, "five", 2, "a") // takes the place of four
	has(newer, "a", "five")

	s.Put(newer, "six", 11, "b")
	has(newer, "b", "")
	has(newer, "a", "five")
	s.Put(newer, "seven", 10, "c")
	has(newer, "c", "seven")
	has(theirs, "a", "")

	unknown := shelf.Snapshot{Copy: "mine"}
	s.Put(unknown, "eight", 1, "a")
	has(unknown, "a", "")
	has(newer, "c", "seven")
}
