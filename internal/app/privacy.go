package app

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/tributary-data/tributary/internal/lake"
	"github.com/tributary-data/tributary/internal/privacy"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/sqlstore"
	"github.com/tributary-data/tributary/internal/xdm"
)

// rules are the privacy rules of a directory.
type rules struct {
	*privacy.Policy
	version int64
	stamp   string // the version as tables name it; "" when there never were any
	list    []privacy.Rule
	keyID   string
	done    bool // all that is stored went through them, as far as the database knows
}

// loadRules reads the rules in force.
func loadRules(ctx context.Context, dir string, store *store) (rules, error) {
	p, err := store.Privacy(ctx)
	if err != nil || p.Version == 0 {
		return rules{done: true}, err
	}
	r := rules{version: p.Version, stamp: strconv.FormatInt(p.Version, 10), keyID: p.KeyID, done: p.Done == p.Version}
	if r.list, err = privacy.Parse([]byte(p.Rules)); err != nil {
		return r, err
	}
	var key []byte
	if privacy.Keyed(r.list) {
		if key, err = readKey(dir, p.KeyID); err != nil {
			return r, err
		}
	}
	r.Policy, err = privacy.Compile(r.list, key)
	return r, err
}

// A PrivacyChange is what SetPrivacy did.
type PrivacyChange struct {
	Version int64 // of the rules in force
	Rules   int
	Changed bool // they are not those from before
	Relaxed bool // there were rules before: what they took away stays away
	Rewrote
}

// SetPrivacy puts the rules in text in force for the directory dir, which is
// made if it does not exist. What is stored goes through them before it
// returns; when that is interrupted, whatever opens the directory next goes on
// with it.
func SetPrivacy(ctx context.Context, dir string, text []byte) (*PrivacyChange, error) {
	list, err := privacy.Parse(text)
	if err != nil {
		return nil, err
	}
	if err := checkRules(list); err != nil {
		return nil, err
	}
	home, err := openHome(ctx, dir)
	if err != nil {
		return nil, err
	}
	change, err := home.setRules(ctx, list)
	if closed := home.Close(); err == nil {
		err = closed
	}
	if err != nil || !change.Changed {
		return change, unusable(dir, err)
	}
	// Opened again, the directory finds that what it holds is behind its rules.
	if home, err = openHome(ctx, dir); err != nil {
		return nil, err
	}
	change.Version, change.Rewrote = home.rules.version, home.rewrote
	return change, home.Close()
}

// setRules puts rules in force and leaves what is stored as it is.
func (h *home) setRules(ctx context.Context, list []privacy.Rule) (*PrivacyChange, error) {
	change := &PrivacyChange{Version: h.rules.version, Rules: len(list), Rewrote: h.rewrote, Relaxed: len(h.rules.list) > 0}
	if slices.Equal(list, h.rules.list) {
		return change, nil
	}
	id := h.rules.keyID
	key := make([]byte, privacy.KeySize)
	if privacy.Keyed(list) {
		var err error
		if id == "" {
			key, err = makeKey(h.dir)
		} else {
			key, err = readKey(h.dir, id)
		}
		if err != nil {
			return nil, err
		}
		id = keyID(key)
	}
	policy, err := privacy.Compile(list, key)
	if err != nil {
		return nil, err
	}
	tables, err := h.lake.Tables(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range xdm.Resources {
		if policy.For(name) == nil || !slices.Contains(tables, name) {
			continue
		}
		if t, err := h.lake.Load(ctx, name); err != nil {
			return nil, err
		} else if t.SnapshotID() != 0 && !slices.Contains(tables, name+"_history") {
			return nil, noHistory(name)
		}
	}
	change.Changed = true
	return change, h.store.SetPrivacy(ctx, string(privacy.Encode(list)), id)
}

func noHistory(resource string) error {
	return &problem.Error{
		Kind:   problem.Conflict,
		Detail: fmt.Sprintf("the directory holds %s without their history, from which alone they could be made anew under other privacy rules", resource),
		Advice: "Set the rules for a new directory and sync there",
	}
}

// PrivacyRules returns the rules of dir in the form that SetPrivacy takes.
func PrivacyRules(ctx context.Context, dir string) ([]byte, error) {
	if err := mustExist(dir); err != nil {
		return nil, err
	}
	db, err := sqlstore.OpenReadOnly(ctx, databasePath(dir))
	if err != nil {
		return nil, err
	}
	defer db.Close()
	p, err := db.Privacy(ctx)
	if err != nil {
		return nil, err
	}
	if p.Version == 0 {
		return privacy.Encode(nil), nil
	}
	return append(bytes.TrimRight([]byte(p.Rules), "\n"), '\n'), nil
}

// checkRules refuses rules for resources that there are not, and those that
// would take away what the copy stands on.
func checkRules(list []privacy.Rule) error {
	for i, r := range list {
		if r.Resource != "*" && !slices.Contains(xdm.Resources, r.Resource) {
			return r.Refuse(i, fmt.Sprintf("there is no resource %q", r.Resource))
		}
	}
	policy, err := privacy.Compile(list, make([]byte, privacy.KeySize))
	if err != nil {
		return err
	}
	for _, resource := range xdm.Resources {
		schema, err := xdm.Stripe(resource, DefaultTenant)
		if err != nil {
			return err
		}
		needed := func(path []string, why string) error {
			if i, hit := policy.Hit(resource, path...); hit {
				return list[i].Refuse(i, fmt.Sprintf("it would change %s of %s, %s", dotted(path), resource, why))
			}
			return nil
		}
		for _, path := range standsOn[resource] {
			if err := needed(path, "which the copy is kept up to date by"); err != nil {
				return err
			}
		}
		if err := needed([]string{"livemode"}, "which tells live objects from test data"); err != nil {
			return err
		}
		if err := checkFields(schema.Fields, nil, needed); err != nil {
			return err
		}
	}
	return nil
}

// standsOn names what passes look at beside what schemas call required.
var standsOn = map[string][][]string{
	"balance_transactions": {{"status"}, {"available_on"}},
	"subscriptions":        {{"items", "data", privacy.Element, "price", "id"}},
}

func checkFields(fields []*xdm.Field, parent []string, needed func(path []string, why string) error) error {
	for _, f := range fields {
		path := append(slices.Clip(parent), f.Name)
		for ; f.Elem != nil; f = f.Elem {
			step := privacy.Element
			if f.Kind == xdm.Map {
				step = privacy.AnyName
			}
			path = append(path, step)
		}
		var err error
		switch {
		case f.Required:
			err = needed(path, "without which an object is no record")
		case f.Money:
			err = needed(path, "which is money")
		default:
			err = checkFields(f.Fields, path, needed)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// dotted writes a path as rules are written.
func dotted(path []string) string {
	var b bytes.Buffer
	for _, name := range path {
		switch name {
		case privacy.Element:
			continue
		case privacy.AnyName:
			name = "*"
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(name)
	}
	return b.String()
}

// behind says whether something that is stored did not go through the rules:
// they are new, or older tables were put back.
func (h *home) behind(ctx context.Context) (bool, error) {
	if !h.rules.done {
		return true, nil
	}
	resources, err := h.behindTables(ctx)
	return len(resources) > 0, err
}

// behindTables names the resources with rows that did not go through the rules.
func (h *home) behindTables(ctx context.Context) ([]string, error) {
	names, err := h.lake.Tables(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, resource := range xdm.Resources {
		if h.rules.For(resource) == nil {
			continue
		}
		for _, name := range []string{resource, resource + "_history"} {
			if !slices.Contains(names, name) {
				continue
			}
			t, err := h.lake.Load(ctx, name)
			if err != nil {
				return nil, err
			}
			if stale(t, h.rules.stamp) {
				out = append(out, resource)
				break
			}
		}
	}
	return out, nil
}

func stale(t *lake.Table, stamp string) bool { return t.SnapshotID() != 0 && t.Privacy() != stamp }

// SharePrivacy puts the rules of one directory, if it has any, in force for
// another.
func SharePrivacy(ctx context.Context, from, to string) error {
	if !exists(from) {
		return nil
	}
	rules, err := PrivacyRules(ctx, from)
	if err != nil || bytes.Equal(rules, privacy.Encode(nil)) {
		return err
	}
	if exists(to) {
		if have, err := PrivacyRules(ctx, to); err != nil || bytes.Equal(have, rules) {
			return err
		}
	}
	_, err = SetPrivacy(ctx, to, rules)
	return err
}
