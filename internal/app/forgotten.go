package app

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tributary-data/tributary/internal/ingest"
	"github.com/tributary-data/tributary/internal/privacy"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/rawjson"
	"github.com/tributary-data/tributary/internal/sqlstore"
)

// forgotten is the list of what is to be forgotten in a directory, by keyed
// hashes of ids. It may be used by many goroutines; a nil list is empty.
type forgotten struct {
	store *store
	keys  [][]byte // of the hashes; what is noted goes by the first

	mu   sync.RWMutex
	kind map[privacy.Digest]int // nil: the database is asked each time
	news []sqlstore.Forgotten   // not in the database yet
	dry  bool                   // nothing is written
}

// loadForgotten reads the list of a directory; nil where nobody ever asked to
// be forgotten.
func loadForgotten(ctx context.Context, dir string, store *store) (*forgotten, error) {
	f, err := openForgotten(ctx, dir, store)
	if f == nil || err != nil {
		return nil, err
	}
	list, err := store.Forgotten(ctx)
	f.kind = make(map[privacy.Digest]int, len(list))
	for _, o := range list {
		f.kind[o.Digest] = o.Kind
	}
	return f, err
}

// openForgotten is loadForgotten for who looks up little.
func openForgotten(ctx context.Context, dir string, store *store) (*forgotten, error) {
	requests, err := store.ForgetRequests(ctx)
	if err != nil || len(requests) == 0 {
		return nil, err
	}
	rules, err := store.Privacy(ctx)
	if err != nil {
		return nil, err
	}
	f := &forgotten{store: store}
	f.keys, err = forgetKeys(dir, rules.KeyID, requests)
	return f, err
}

// of returns what is to be done about an object.
func (f *forgotten) of(ctx context.Context, d privacy.Digest) (int, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.kind == nil {
		return f.store.ForgottenKind(ctx, d)
	}
	return f.kind[d], nil
}

// note adds an object to the list, until flush in memory alone.
func (f *forgotten) note(ctx context.Context, d privacy.Digest, kind int) error {
	known, err := f.of(ctx, d)
	if err != nil || known|kind == known {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.kind != nil {
		f.kind[d] |= kind
	}
	f.news = append(f.news, sqlstore.Forgotten{Digest: d, Kind: kind, Fresh: kind&sqlstore.ForgetStored == 0})
	return nil
}

// flush makes durable what was noted.
func (f *forgotten) flush(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.news) == 0 || f.dry {
		return nil
	}
	if err := f.store.Forget(ctx, f.news); err != nil {
		return err
	}
	f.news = nil
	return nil
}

// trial returns a copy whose changes nobody else sees.
func (f *forgotten) trial() *forgotten {
	return &forgotten{store: f.store, keys: f.keys, kind: maps.Clone(f.kind), dry: true}
}

// A judge holds objects against the list. It belongs to one goroutine.
type judge struct {
	list    *forgotten
	digests []*privacy.Digester // by the keys of the list
	blank   *privacy.Filter
	text    []byte
	gone    privacy.Digest
}

// blankRules take from a balance transaction what points to a person. Amounts,
// times and kinds stay, for the books.
var blankRules = []privacy.Rule{
	{Resource: "balance_transactions", Path: "source", Do: "drop"},
	{Resource: "balance_transactions", Path: "description", Do: "drop"},
	{Resource: "balance_transactions", Path: "metadata", Do: "drop"},
}

// judge returns a judge; nil for an empty list.
func (f *forgotten) judge() (*judge, error) {
	if f == nil {
		return nil, nil //nolint:nilnil // nothing is to be forgotten
	}
	policy, err := privacy.Compile(blankRules, nil)
	if err != nil {
		return nil, err
	}
	j := &judge{list: f, blank: policy.For("balance_transactions")}
	for _, key := range f.keys {
		j.digests = append(j.digests, privacy.NewDigester(key))
	}
	return j, nil
}

// name returns what the object with that id is called in the list, once it is noted.
func (j *judge) name(id []byte) privacy.Digest { return j.digests[0].Of(id) }

// forgetting returns what a lander asks; nil for an empty list.
func (f *forgotten) forgetting() (ingest.Forgetting, error) {
	j, err := f.judge()
	if j == nil || err != nil {
		return nil, err
	}
	return j, nil
}

// known returns what is to be done about the object with that id.
func (j *judge) known(ctx context.Context, id []byte) (int, error) {
	if len(id) == 0 {
		return 0, nil
	}
	kind := 0
	for _, d := range j.digests {
		k, err := j.list.of(ctx, d.Of(id))
		if err != nil {
			return 0, err
		}
		kind |= k
	}
	return kind, nil
}

// is reports whether a text is the id of an object of which nothing may be
// stored. The list must be in memory.
func (j *judge) is(id string) bool {
	kind, err := j.known(context.Background(), []byte(id))
	return err == nil && kind&(sqlstore.ForgetObject|sqlstore.ForgetStored) != 0
}

// Judge implements ingest.Forgetting.
func (j *judge) Judge(ctx context.Context, resource string, id, raw []byte) (ingest.Verdict, error) {
	l, err := linksOf(resource, raw)
	if err != nil { // no text that can be walked: whatever it names counts
		gone, err := j.mentions(ctx, string(raw))
		return ingest.Verdict{Gone: gone, Raw: raw, Name: raw}, err
	}
	kind, err := j.decide(ctx, resource, id, l)
	if err == nil {
		err = j.list.flush(ctx)
	}
	switch {
	case err != nil:
		return ingest.Verdict{}, err
	case kind&sqlstore.ForgetObject != 0:
		j.gone = j.name(id)
		return ingest.Verdict{Gone: true, Name: j.gone[:]}, nil
	case kind&sqlstore.ForgetBlank == 0:
		return ingest.Verdict{Raw: raw}, nil
	}
	j.text, err = j.blank.Apply(j.text[:0], raw)
	return ingest.Verdict{Raw: j.text}, err
}

// decide says what is to be done about an object: nothing of it may be kept
// (ForgetObject), or not all. It notes what it learns of this one and others.
func (j *judge) decide(ctx context.Context, resource string, id []byte, l links) (kind int, err error) {
	if kind, err = j.known(ctx, id); err != nil {
		return 0, err
	}
	of := 0 // what is to be done about what it belongs to
	for _, to := range l.to {
		k, err := j.known(ctx, to)
		if err != nil {
			return 0, err
		}
		of |= k
	}
	switch {
	case resource != "balance_transactions":
		kind |= of & (sqlstore.ForgetObject | sqlstore.ForgetBooks)
	case of&sqlstore.ForgetBooks != 0:
		kind |= sqlstore.ForgetObject
	case of&sqlstore.ForgetObject != 0:
		kind |= sqlstore.ForgetBlank
	}
	if kind&sqlstore.ForgetObject == 0 {
		return kind, nil
	}
	if err := j.list.note(ctx, j.name(id), kind); err != nil {
		return 0, err
	}
	for _, refund := range l.refunds {
		if err := j.list.note(ctx, j.name(refund), kind&(sqlstore.ForgetObject|sqlstore.ForgetBooks)); err != nil {
			return 0, err
		}
	}
	for _, other := range l.others {
		if err := j.list.note(ctx, j.name(other), kind&(sqlstore.ForgetObject|sqlstore.ForgetBooks)); err != nil {
			return 0, err
		}
	}
	books := sqlstore.ForgetBlank
	if kind&sqlstore.ForgetBooks != 0 {
		books = sqlstore.ForgetObject
	}
	for _, row := range l.balance {
		if err := j.list.note(ctx, j.name(row), books); err != nil {
			return 0, err
		}
	}
	return kind, nil
}

// mentions reports whether a text has the id of an object of which nothing may
// be kept.
func (j *judge) mentions(ctx context.Context, text string) (is bool, err error) {
	for word := range words(text) {
		kind, err := j.known(ctx, []byte(word.text))
		if err != nil || kind&(sqlstore.ForgetObject|sqlstore.ForgetStored) != 0 {
			return err == nil, err
		}
	}
	return false, nil
}

// removed takes the place of ids in words that stay.
const removed = "(removed)"

// scrub removes the ids of what is forgotten from a text of ours.
func (j *judge) scrub(text string) string {
	var out strings.Builder
	from := 0
	for word := range words(text) {
		if word.at >= from && j.is(word.text) {
			out.WriteString(text[from:word.at] + removed)
			from = word.at + len(word.text)
		}
	}
	return out.String() + text[from:]
}

// A Forgotten tells what was to be forgotten in a copy. It belongs to one
// goroutine.
type Forgotten struct {
	db    *store
	judge *judge
}

// OpenForgotten opens the list of the copy in dir, beside whoever writes the
// copy; Close it.
func OpenForgotten(ctx context.Context, dir string) (*Forgotten, error) {
	if err := mustExist(dir); err != nil {
		return nil, err
	}
	db, err := sqlstore.Open(ctx, databasePath(dir))
	if err != nil {
		return nil, err
	}
	f := &Forgotten{db: &store{db}}
	list, err := loadForgotten(ctx, dir, f.db)
	if err == nil {
		f.judge, err = list.judge()
	}
	if err != nil {
		_ = db.Close()
		return nil, err
	}
	return f, nil
}

// Close closes the list.
func (f *Forgotten) Close() error { return f.db.Close() }

// Mentions reports whether a text is or has the id of an object that is to be
// forgotten.
func (f *Forgotten) Mentions(text string) bool {
	if f.judge == nil || text == "" {
		return false
	}
	if f.judge.made(text) {
		return true
	}
	for word := range words(text) {
		if len(word.text) < len(text) && f.judge.made(word.text) {
			return true
		}
	}
	return false
}

// Scrub removes the ids of such objects from a text.
func (f *Forgotten) Scrub(text string) string {
	if f.judge == nil {
		return text
	}
	return f.judge.scrub(text)
}

// Done says that what was made of a copy elsewhere is gone, for a request.
func (f *Forgotten) Done(ctx context.Context, request string) error {
	return f.db.DerivedDone(ctx, request, time.Now())
}

// made reports whether a text is the id of an object of which nothing may be kept
// where something was made of it.
func (j *judge) made(id string) bool {
	kind, err := j.known(context.Background(), []byte(id))
	return err == nil && kind&(sqlstore.ForgetObject|sqlstore.ForgetStored|sqlstore.ForgetMade) != 0
}

// links are the ids that an object names.
type links struct {
	to      [][]byte // what it belongs to
	refunds [][]byte // what belongs to it
	others  [][]byte // what belongs to it at Stripe, and has no table here
	balance [][]byte // its balance transactions
}

// owner names the field of a resource that says what an object belongs to.
var owner = map[string]string{"charges": "customer", "subscriptions": "customer", "refunds": "charge", "balance_transactions": "source"}

// others names the fields of a resource that have an object of the same customer's
// and of no other's, of which there is no table.
var others = map[string][]string{
	"charges": {"payment_intent", "payment_method", "invoice"}, "subscriptions": {"latest_invoice", "default_payment_method"},
}

// linksOf returns the links of an object. They share the memory of raw.
func linksOf(resource string, raw []byte) (l links, err error) {
	field := owner[resource]
	if field == "" {
		return l, nil
	}
	var intent []byte
	err = rawjson.Members(raw, func(key, value []byte) {
		switch {
		case string(key) == field:
			if id := idIn(value); id != nil {
				l.to = append(l.to, id)
			}
		case resource == "refunds" && string(key) == "payment_intent":
			intent = idIn(value)
		case slices.Contains(others[resource], string(key)):
			if id := idIn(value); id != nil {
				l.others = append(l.others, id)
			}
		case refersToBalance(resource) && (string(key) == "balance_transaction" || string(key) == "failure_balance_transaction"):
			if id := idIn(value); id != nil {
				l.balance = append(l.balance, id)
			}
		case resource == "balance_transactions" && string(key) == "description" && value[0] == '"':
			for word := range words(string(value)) {
				l.to = append(l.to, []byte(word.text))
			}
		case resource == "charges" && string(key) == "refunds":
			l.refunds = append(l.refunds, idsOf(value)...)
		case resource == "subscriptions" && string(key) == "items":
			l.others = append(l.others, idsOf(value)...)
		}
	})
	if len(l.to) == 0 && intent != nil { // a refund without a charge
		l.to = append(l.to, intent)
	}
	return l, err
}

// idIn returns the id that a value is, or that the object has which it is; nil
// for none.
func idIn(value []byte) []byte {
	switch value[0] {
	case '"':
		id := value[1 : len(value)-1]
		if bytes.IndexByte(id, '\\') >= 0 {
			id = rawjson.Unquote(nil, id)
		}
		return id
	case '{':
		if item, _, err := rawjson.One(value, 0); err == nil && len(item.ID) > 0 {
			return item.ID
		}
	}
	return nil
}

// idsOf returns the ids of the objects in a list of Stripe's.
func idsOf(list []byte) (ids [][]byte) {
	if list[0] != '{' {
		return nil
	}
	_ = rawjson.Members(list, func(key, value []byte) { // it was walked
		if string(key) == "data" {
			ids = append(ids, idsIn(value)...)
		}
	})
	return ids
}

// idsIn returns the ids of the objects in an array.
func idsIn(array []byte) (ids [][]byte) {
	if array[0] != '[' {
		return nil
	}
	for i := rawjson.SkipSpace(array, 1); i < len(array) && array[i] != ']'; i = rawjson.SkipSpace(array, i) {
		if array[i] == ',' {
			i++
			continue
		}
		item, end, err := rawjson.One(array, i)
		if err != nil {
			return ids
		}
		if len(item.ID) > 0 {
			ids = append(ids, item.ID)
		}
		i = end
	}
	return ids
}

// customerID checks what a user named as a customer.
func customerID(id string) error {
	if strings.TrimSpace(id) != id || id == "" || len(id) > 255 || strings.ContainsAny(id, "\x00\n") {
		return &problem.Error{Kind: problem.Invalid, Detail: fmt.Sprintf("%d letters are no id of a customer", len(id)), Advice: "Name one as Stripe does: cus_…"}
	}
	return nil
}
