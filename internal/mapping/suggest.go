package mapping

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"github.com/tributary-data/tributary/internal/expr"
	"github.com/tributary-data/tributary/internal/xdm"
)

// A Suggestion is a mapping that looks right.
type Suggestion struct {
	Mapping

	Score float64 // up to 1, which is the same name at the same place
}

// Bounds of what Suggest looks at.
const (
	maxSamples      = 100
	maxSampleFields = 2000
	maxSampleDepth  = 20
	leastScore      = 0.6
)

// Suggest looks for mappings from records like the samples to a schema: first
// the object of the samples and the one of the schema that have the most names
// in common are laid on each other, then what is left is matched by name, path
// and type. Each source goes to one destination; the order is that of the
// samples. Unmatched are the source paths that found no place.
func Suggest(c *xdm.Composition, samples []expr.Value) (found []Suggestion, unmatched []string) {
	g := &guess{root: &shape{}, within: map[*xdm.Field][]*target{}}
	for _, v := range samples[:min(len(samples), maxSamples)] {
		g.learn(g.root, v, 0)
	}
	g.collect(&xdm.Field{Kind: xdm.Object, Fields: c.Fields}, nil, 0)
	g.lay()
	g.rest()
	g.root.each(func(s *shape) bool {
		switch {
		case s.to != nil:
			found = append(found, Suggestion{Mapping{Source: s.path.String(), Destination: s.to.path.String()}, s.score})
			return false
		case len(s.kids) == 0 && s.elem == nil && len(s.path) > 0:
			unmatched = append(unmatched, s.path.String())
		}
		return true
	})
	return found, unmatched
}

// A shape is what the samples have at one path.
type shape struct {
	path  expr.Path
	kinds [expr.Map + 1]bool
	kids  []*shape
	names map[string]*shape // kids
	elem  *shape            // what [*] leads to
	to    *target
	score float64
}

func (s *shape) each(visit func(*shape) bool) {
	if !visit(s) {
		return
	}
	for _, kid := range s.kids {
		kid.each(visit)
	}
	if s.elem != nil {
		s.elem.each(visit)
	}
}

// A target is a field of the schema.
type target struct {
	path  expr.Path
	field *xdm.Field
	plain string // its name, as plainest writes it
	taken bool
}

type guess struct {
	root    *shape
	fields  int
	targets []*target
	within  map[*xdm.Field][]*target // the fields of an object
}

func (g *guess) learn(s *shape, v expr.Value, depth int) {
	s.kinds[v.Kind()] = true
	if depth > maxSampleDepth {
		return
	}
	grow := func(step expr.Step) *shape {
		if g.fields++; g.fields > maxSampleFields {
			return nil
		}
		return &shape{path: append(slices.Clip(s.path), step)}
	}
	names, vals := v.Members()
	for i, name := range names {
		kid := s.names[name]
		if kid == nil {
			if kid = grow(expr.Step{Name: name}); kid == nil || name == "" {
				continue
			}
			if s.names == nil {
				s.names = map[string]*shape{}
			}
			s.names[name] = kid
			s.kids = append(s.kids, kid)
		}
		g.learn(kid, vals[i], depth+1)
	}
	items := v.Items()
	for _, item := range items[:min(len(items), maxSamples)] {
		if s.elem == nil {
			if s.elem = grow(expr.Step{All: true}); s.elem == nil {
				return
			}
		}
		g.learn(s.elem, item, depth+1)
	}
}

func (g *guess) collect(f *xdm.Field, path expr.Path, depth int) {
	if depth > maxSampleDepth {
		return
	}
	below, object := path, f
	if f.Kind == xdm.Array && f.Elem.Kind == xdm.Object {
		below, object = append(slices.Clip(path), expr.Step{All: true}), f.Elem
	}
	for _, kid := range object.Fields {
		if len(g.targets) >= 5*maxSampleFields {
			return
		}
		t := &target{path: append(slices.Clip(below), expr.Step{Name: kid.Name}), field: kid}
		t.plain = plainest(t.path)
		g.targets = append(g.targets, t)
		g.within[f] = append(g.within[f], t)
		g.collect(kid, t.path, depth+1)
	}
}

// lay finds the two objects that have the most names in common, and maps those.
func (g *guess) lay() {
	var best *shape
	var fields []*target
	most := 1
	g.root.each(func(s *shape) bool {
		if len(s.kids) == 0 || s.elem != nil {
			return true
		}
		names := make(map[string]bool, len(s.kids))
		for _, kid := range s.kids {
			names[plainest(kid.path)] = true
		}
		for _, t := range g.targets {
			same := 0
			if t.field.Kind == xdm.Object && stars(t.path) == stars(s.path) {
				for _, kid := range g.within[t.field] {
					if names[kid.plain] {
						same++
					}
				}
			}
			if same > most {
				best, fields, most = s, g.within[t.field], same
			}
		}
		return true
	})
	if best == nil {
		return
	}
	for _, kid := range best.kids {
		for _, t := range fields {
			if t.taken || t.plain != plainest(kid.path) {
				continue
			}
			score := kid.fit(t.field)
			if t.field.Name != kid.path[len(kid.path)-1].Name {
				score *= 0.95
			}
			if score > kid.score {
				kid.to, kid.score = t, score
			}
		}
		if kid.to != nil {
			g.take(kid.to)
		}
	}
}

// take marks a target, and what it is part of or has below it.
func (g *guess) take(t *target) {
	for _, o := range g.targets {
		n := min(len(o.path), len(t.path))
		if slices.Equal(o.path[:n], t.path[:n]) {
			o.taken = true
		}
	}
}

// rest matches single fields, the best pairs first.
func (g *guess) rest() {
	type pair struct {
		s     *shape
		t     *target
		score float64
	}
	var pairs []pair
	places := map[string][]int{} // of targets, by the words of their names
	for i, t := range g.targets {
		if t.taken || t.field.Kind == xdm.Object {
			continue
		}
		for _, w := range keysOf(t.path) {
			places[w] = append(places[w], i)
		}
	}
	g.root.each(func(s *shape) bool {
		if s.to != nil {
			return false
		}
		if len(s.kids) > 0 || len(s.path) == 0 || s.path[len(s.path)-1].Name == "" {
			return true
		}
		var near []int
		for _, w := range keysOf(s.path) {
			near = append(near, places[w][:min(len(places[w]), maxSamples)]...)
		}
		slices.Sort(near)
		name, before := wordsOf(s.path)
		for _, i := range slices.Compact(near) {
			t := g.targets[i]
			if stars(t.path) != stars(s.path) {
				continue
			}
			itsName, itsBefore := wordsOf(t.path)
			score := (0.75*alikeness(name, itsName) + 0.25*common(before, itsBefore)) * s.fit(t.field)
			if score >= leastScore {
				pairs = append(pairs, pair{s, t, score})
			}
		}
		return true
	})
	slices.SortStableFunc(pairs, func(a, b pair) int { return cmp.Compare(b.score, a.score) })
	for _, p := range pairs {
		if p.s.to == nil && !p.t.taken {
			p.s.to, p.s.score, p.t.taken = p.t, p.score, true
		}
	}
}

func stars(p expr.Path) int {
	n := 0
	for _, s := range p {
		if s.All {
			n++
		}
	}
	return n
}

// wordsOf returns the words of a path's last name, and of those before it.
func wordsOf(p expr.Path) (name, before []string) {
	for _, s := range p[:len(p)-1] {
		before = append(before, tokens(s.Name)...)
	}
	return tokens(p[len(p)-1].Name), before
}

// keysOf returns the words of a path's last name, and those together.
func keysOf(p expr.Path) []string {
	name, _ := wordsOf(p)
	if len(name) > 1 {
		name = append(name, strings.Join(name, ""))
	}
	return name
}

func plainest(p expr.Path) string { return strings.Join(tokens(p[len(p)-1].Name), "") }

// tokens cuts a name into words: firstName, first_name and First Name are the
// same two.
func tokens(name string) []string {
	var words []string
	var word strings.Builder
	cut := func() {
		if word.Len() > 0 {
			words = append(words, word.String())
			word.Reset()
		}
	}
	lower := false
	for _, r := range name {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			cut()
			continue
		case unicode.IsUpper(r) && lower:
			cut()
		}
		lower = !unicode.IsUpper(r)
		word.WriteRune(unicode.ToLower(r))
	}
	cut()
	return words
}

// alikeness is 1 for the same words, whatever cuts them.
func alikeness(a, b []string) float64 {
	if strings.Join(a, "") == strings.Join(b, "") {
		return 1
	}
	return common(a, b)
}

// common is the part of all words that both have.
func common(a, b []string) float64 {
	both, all := 0, map[string]bool{}
	for _, w := range a {
		if !all[w] && slices.Contains(b, w) {
			both++
		}
		all[w] = true
	}
	for _, w := range b {
		all[w] = true
	}
	if len(all) == 0 {
		return 0
	}
	return float64(both) / float64(len(all))
}

// fit is how well the samples' values go into a field, 0 to 1. Null fits
// everywhere.
func (s *shape) fit(f *xdm.Field) float64 {
	worst := 1.0
	for k := expr.Null + 1; k <= expr.Map; k++ {
		if s.kinds[k] {
			worst = min(worst, s.fitOf(k, f))
		}
	}
	return worst
}

func (s *shape) fitOf(k expr.Kind, f *xdm.Field) float64 {
	switch {
	case f.JSON, f.Identifier && k == expr.Map:
		return 1
	case f.Kind == xdm.Object && k == expr.Map:
		return s.fitMembers(f.Fields)
	case f.Kind == xdm.Map && k == expr.Map:
		return 1
	case f.Kind == xdm.Array && k == expr.Array:
		if s.elem == nil {
			return 1
		}
		return s.elem.fit(f.Elem)
	case k == expr.Map, k == expr.Array, f.Kind == xdm.Array, !canBe(k, f):
		return 0
	case f.Kind == xdm.String && k != expr.Text, f.Kind != xdm.String && k == expr.Text && f.Kind != xdm.Date && f.Kind != xdm.DateTime:
		return 0.8
	}
	return 1
}

// fitMembers is the part of an object's members that an object copy takes.
func (s *shape) fitMembers(fields []*xdm.Field) float64 {
	if len(s.kids) == 0 {
		return 1
	}
	total := 0.0
	for _, kid := range s.kids {
		if i := slices.IndexFunc(fields, func(f *xdm.Field) bool { return f.Name == kid.path[len(kid.path)-1].Name }); i >= 0 {
			total += kid.fit(fields[i])
		}
	}
	return total / float64(len(s.kids))
}
