package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tributary-data/tributary/internal/privacy"
	"github.com/tributary-data/tributary/internal/sqlstore"
)

// A ForgetRequest asks to remove all that a copy has of a customer, and to keep
// nothing of it that comes later.
type ForgetRequest struct {
	Customer string // cus_…
	// Books removes the customer's balance transactions, too. Else they stay
	// without what points to the customer or its objects: they come back so with
	// the next pass, which reads them by id.
	Books bool
	// ID names the request; "" for a new name. One that is known is gone on with.
	ID string
	// Derived says that the caller removes what was made of the copy elsewhere, by
	// OpenForgotten, and then calls Done of it.
	Derived bool
}

func (r ForgetRequest) kind() int {
	if r.Books {
		return sqlstore.ForgetObject | sqlstore.ForgetBooks
	}
	return sqlstore.ForgetObject
}

// A Forgot is what forgetting came to. It names nobody.
type Forgot struct {
	Tables []ForgotTable `json:"tables"`
	// Objects in quarantine and events in the inbox that went.
	Quarantine int64 `json:"quarantine"`
	Events     int64 `json:"events"`
	// Blanked are balance transactions that the next pass reads anew, without what
	// points to a person.
	Blanked int64 `json:"balance_transactions_blanked"`
	// Left is what a search of all tables found after that.
	Left int64 `json:"left"`
}

// A ForgotTable is the part of one table.
type ForgotTable struct {
	Table string `json:"table"`
	Rows  int64  `json:"rows"`
}

// A Forgetting is a request as the copy keeps it: the customer by a keyed hash.
type Forgetting struct {
	ID        string    `json:"id"`
	Customer  string    `json:"customer"` // the beginning of the hash
	Requested time.Time `json:"requested_at"`
	Done      time.Time `json:"done_at,omitzero"`
	Result    *Forgot   `json:"result,omitempty"`
}

// ForgetCustomer removes all that the copy in dir has of a customer. When that is
// interrupted, whatever opens the directory next goes on with it.
func ForgetCustomer(ctx context.Context, dir string, r ForgetRequest) (*Forgetting, error) {
	h, err := homeToForget(ctx, dir, r)
	if err != nil {
		return nil, err
	}
	f, err := h.forgetCustomer(ctx, r)
	return f, unusable(dir, errors.Join(err, h.Close()))
}

// TryForget says what ForgetCustomer would remove: objects by resource, in
// quarantine and in the inbox. It removes nothing.
func TryForget(ctx context.Context, dir string, r ForgetRequest) (*Forgot, error) {
	h, err := homeToForget(ctx, dir, r)
	if err != nil {
		return nil, err
	}
	f, err := h.tryForget(ctx, r)
	return f, unusable(dir, errors.Join(err, h.Close()))
}

func homeToForget(ctx context.Context, dir string, r ForgetRequest) (*home, error) {
	if err := customerID(r.Customer); err != nil {
		return nil, err
	}
	if err := mustExist(dir); err != nil {
		return nil, err
	}
	return openHome(ctx, dir)
}

// Forget is ForgetCustomer for the copy that k keeps, between its passes.
func (k *Keeper) Forget(ctx context.Context, r ForgetRequest) (*Forgetting, error) {
	if err := customerID(r.Customer); err != nil {
		return nil, err
	}
	k.turns.Lock()
	defer k.turns.Unlock()
	h, err := k.open()
	if err != nil {
		return nil, err
	}
	f, err := h.forgetCustomer(ctx, r)
	return f, unusable(h.dir, err)
}

// Forget is ForgetCustomer for a directory that is held.
func (h *Held) Forget(ctx context.Context, r ForgetRequest) (*Forgetting, error) {
	if err := customerID(r.Customer); err != nil {
		return nil, err
	}
	f, err := h.home.forgetCustomer(ctx, r)
	return f, unusable(h.home.dir, err)
}

// Forgettings returns the requests that the copy in dir had, the oldest first.
func Forgettings(ctx context.Context, dir string) ([]Forgetting, error) {
	if err := mustExist(dir); err != nil {
		return nil, err
	}
	db, err := sqlstore.OpenReadOnly(ctx, databasePath(dir))
	if err != nil {
		return nil, err
	}
	defer db.Close()
	return forgettings(ctx, db)
}

func forgettings(ctx context.Context, db *sqlstore.Store) ([]Forgetting, error) {
	rows, err := db.ForgetRequests(ctx)
	out := []Forgetting{}
	for _, r := range rows {
		f := Forgetting{ID: r.ID, Customer: hex.EncodeToString(r.Customer[:6]), Requested: r.Requested, Done: r.Done}
		if r.Result != "" {
			f.Result = &Forgot{}
			err = errors.Join(err, json.Unmarshal([]byte(r.Result), f.Result))
		}
		out = append(out, f)
	}
	return out, err
}

func (h *home) forgetCustomer(ctx context.Context, r ForgetRequest) (*Forgetting, error) {
	key, id, err := h.forgetKey(ctx)
	if err != nil {
		return nil, err
	}
	if r.ID == "" {
		name := make([]byte, 12)
		rand.Read(name)
		r.ID = "forget_" + hex.EncodeToString(name)
	}
	ask := sqlstore.ForgetRequest{
		ID: r.ID, KeyID: id, Derived: r.Derived, Requested: time.Now().UTC(),
		Customer: privacy.NewDigester(key).Of([]byte(r.Customer)),
	}
	if err := h.store.AskForget(ctx, ask, r.kind()); err != nil {
		return nil, err
	}
	if _, err := h.forgetMore(ctx); err != nil {
		return nil, err
	}
	all, err := forgettings(ctx, h.store.Store)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(f Forgetting) bool { return f.ID == ask.ID })
	return &all[i], nil
}

// forgetKey returns the directory's key, which is made for the first who needs
// it, and its id.
func (h *home) forgetKey(ctx context.Context) (key []byte, id string, err error) {
	requests, err := h.store.ForgetRequests(ctx)
	if err != nil {
		return nil, "", err
	}
	shared, err := listKey(h.dir)
	if err != nil {
		return nil, "", err
	}
	id = h.rules.keyID
	for _, r := range requests {
		if shared == nil || keyID(shared) != r.KeyID {
			id = r.KeyID
		}
	}
	if id == "" {
		key, err = makeKey(h.dir)
	} else {
		key, err = readKey(h.dir, id)
	}
	if err != nil {
		return nil, "", err
	}
	return key, keyID(key), nil
}

// forgetMore goes on with what was asked for and is not done, and removes what
// landed before it was known whose it is.
// It reports whether there was something to do.
func (h *home) forgetMore(ctx context.Context) (bool, error) {
	fresh, err := h.store.FreshForgotten(ctx)
	if err != nil || !fresh {
		return false, err
	}
	return true, h.forget(ctx)
}

// forget removes all that is stored of what is to be forgotten. Every step may be
// repeated: what is to go is noted before anything goes, and the database says
// that it is gone only at the end.
func (h *home) forget(ctx context.Context) (err error) {
	if h.forgotten, err = loadForgotten(ctx, h.dir, h.store); err != nil {
		return err
	}
	f := &forgettingAll{home: h, list: h.forgotten}
	if f.judge, err = h.forgotten.judge(); err != nil {
		return err
	}
	if f.tables, err = h.lake.Tables(ctx); err != nil {
		return err
	}
	if err := f.learn(ctx); err != nil {
		return err
	}
	for _, r := range owned {
		if err := f.remove(ctx, r); err != nil {
			return fmt.Errorf("%s: %w", r, err)
		}
	}
	if err := f.removeMade(ctx); err != nil {
		return err
	}
	if err := f.clean(ctx); err != nil {
		return err
	}
	text, err := json.Marshal(f.done)
	if err != nil {
		return err
	}
	if err := h.store.ForgetDone(ctx, time.Now(), string(text)); err != nil {
		return err
	}
	h.forgotten, err = loadForgotten(ctx, h.dir, h.store)
	return err
}

func (h *home) tryForget(ctx context.Context, r ForgetRequest) (*Forgot, error) {
	list := h.forgotten
	if list == nil {
		// Nobody was forgotten yet: any key tells ids apart.
		key := make([]byte, privacy.KeySize)
		rand.Read(key)
		list = &forgotten{store: h.store, keys: [][]byte{key}, kind: map[privacy.Digest]int{}}
	}
	f := &forgettingAll{home: h, list: list.trial()}
	var err error
	if f.judge, err = f.list.judge(); err != nil {
		return nil, err
	}
	f.list.kind[f.judge.name([]byte(r.Customer))] |= r.kind()
	if f.tables, err = h.lake.Tables(ctx); err == nil {
		err = f.learn(ctx)
	}
	return &f.done, err
}
