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
	g := &guess{root: &shape{}}
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
	elem  *shape // what [*] leads to
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

func (s *shape) kid(name string) *shape {
	i := slices.IndexFunc(s.kids, func(k *shape) bool { return k.path[len(k.path)-1].Name == name })
	if i < 0 {
		return nil
	}
	return s.kids[i]
}

// A target is a field of the schema.
type target struct {
	path  expr.Path
	field *xdm.Field
	taken bool
}

type guess struct {
	root    *shape
	fields  int
	targets []*target
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
		kid := s.kid(name)
		if kid == nil {
			if kid = grow(expr.Step{Name: name}); kid == nil || name == "" {
				continue
			}
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
	if len(g.targets) >= 5*maxSampleFields || depth > maxSampleDepth {
		return
	}
	if len(path) > 0 {
		g.targets = append(g.targets, &target{path: slices.Clone(path), field: f})
	}
	for _, below := range f.Fields {
		g.collect(below, append(slices.Clip(path), expr.Step{Name: below.Name}), depth+1)
	}
	if f.Kind == xdm.Array && f.Elem.Kind == xdm.Object {
		for _, below := range f.Elem.Fields {
			g.collect(below, append(slices.Clip(path), expr.Step{All: true}, expr.Step{Name: below.Name}), depth+1)
		}
	}
}

// lay finds the two objects that have the most names in common, and maps those.
func (g *guess) lay() {
	type pair struct {
		s      *shape
		prefix expr.Path
		fields []*xdm.Field
		same   int
	}
	var best pair
	try := func(s *shape, prefix expr.Path, fields []*xdm.Field) {
		names := make(map[string]bool, len(s.kids))
		for _, kid := range s.kids {
			names[plainest(kid.path)] = true
		}
		same := 0
		for _, f := range fields {
			if names[strings.Join(tokens(f.Name), "")] {
				same++
			}
		}
		if same > best.same {
			best = pair{s, prefix, fields, same}
		}
	}
	g.root.each(func(s *shape) bool {
		if len(s.kids) == 0 || s.elem != nil {
			return true
		}
		for _, t := range g.targets {
			if t.field.Kind == xdm.Object && len(stars(t.path)) == len(stars(s.path)) {
				try(s, t.path, t.field.Fields)
			}
		}
		return true
	})
	if best.same < 2 {
		return
	}
	for _, kid := range best.s.kids {
		for _, f := range best.fields {
			if strings.Join(tokens(f.Name), "") != plainest(kid.path) {
				continue
			}
			fit := kid.fit(f)
			score := fit
			if f.Name != kid.path[len(kid.path)-1].Name {
				score *= 0.95
			}
			if t := g.targetAt(best.prefix, f); t != nil && fit > 0 && score > kid.score && !t.taken {
				kid.to, kid.score = t, score
			}
		}
		if kid.to != nil {
			g.take(kid.to)
		}
	}
}

func (g *guess) targetAt(prefix expr.Path, f *xdm.Field) *target {
	for _, t := range g.targets {
		if t.field == f && len(t.path) == len(prefix)+1 && slices.Equal(t.path[:len(prefix)], prefix) {
			return t
		}
	}
	return nil
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
	words := map[*target][2][]string{}
	for _, t := range g.targets {
		if !t.taken && t.field.Kind != xdm.Object {
			words[t] = wordsOf(t.path)
		}
	}
	g.root.each(func(s *shape) bool {
		if s.to != nil {
			return false
		}
		if len(s.kids) > 0 || len(s.path) == 0 || s.path[len(s.path)-1].Name == "" {
			return true
		}
		mine := wordsOf(s.path)
		for _, t := range g.targets {
			theirs, free := words[t]
			if !free || len(stars(t.path)) != len(stars(s.path)) || !shareWord(mine[0], theirs[0]) {
				continue
			}
			score := (0.75*alikeness(mine[0], theirs[0]) + 0.25*common(mine[1], theirs[1])) * s.fit(t.field)
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

func stars(p expr.Path) expr.Path {
	return slices.DeleteFunc(slices.Clone(p), func(s expr.Step) bool { return !s.All })
}

// wordsOf returns the words of a path's last name, and of those before it.
func wordsOf(p expr.Path) [2][]string {
	var w [2][]string
	for i, s := range p {
		if i == len(p)-1 {
			w[0] = tokens(s.Name)
		} else {
			w[1] = append(w[1], tokens(s.Name)...)
		}
	}
	return w
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

func shareWord(a, b []string) bool {
	return slices.ContainsFunc(a, func(w string) bool { return slices.Contains(b, w) }) || strings.Join(a, "") == strings.Join(b, "")
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
