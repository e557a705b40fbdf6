package webui

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/tributary-data/tributary/internal/access"
)

// Copies of accounts: how fresh and complete they are, what does not fit into
// them, and whether they agree with Stripe.
func copyRoutes(m *routes) {
	view, manage := access.AnyOf(access.ViewSources, access.ManageSources), access.AnyOf(access.ManageSources)
	m.get("/copies", view, (*request).showCopies)
	m.get("/copies/{copy}", view, (*request).showCopy)
	m.get("/copies/{copy}/budget", view, (*request).showBudget)
	m.get("/copies/{copy}/reconcile", view, (*request).showReconcile)
	m.post("/copies/{copy}/reconcile", manage, (*request).reconcile)
	m.post("/copies/{copy}/replay", manage, (*request).replay)
}

// A copyItem is a copy, as the API shows it.
type copyItem struct {
	Copy        string         `json:"copy"`
	AccountID   string         `json:"accountId"`
	Livemode    bool           `json:"livemode"`
	Resources   []copyResource `json:"resources"`
	Quarantined int64          `json:"quarantined"`
	Drifted     int64          `json:"drifted"`
	Bytes       int64          `json:"bytes"`
	Connections []struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"connections"`
}

// Title is how its account is called here.
func (c copyItem) Title() string {
	if len(c.Connections) > 0 {
		return c.Connections[0].Name
	}
	return c.Copy
}

// Objects is how many there are of all resources.
func (c copyItem) Objects() (n int64) {
	for _, r := range c.Resources {
		n += r.Objects
	}
	return n
}

// Oldest is when the pass began after which nothing is missing, of any resource;
// 0 where one had none.
func (c copyItem) Oldest() (at int64) {
	for i, r := range c.Resources {
		if i == 0 || r.LastPassAt < at {
			at = r.LastPassAt
		}
	}
	return at
}

// A copyResource is a resource of a copy.
type copyResource struct {
	Resource    string `json:"resource"`
	State       string `json:"state"`
	Objects     int64  `json:"objects"`
	Bytes       int64  `json:"bytes"`
	CursorAt    int64  `json:"cursorAt"`
	CursorAge   *int64 `json:"cursorAge"` // seconds
	LastPassAt  int64  `json:"lastPassAt"`
	Freshness   *int64 `json:"freshness"` // seconds
	Quarantined int64  `json:"quarantined"`
	Drifted     int64  `json:"drifted"`
}

// Title is the resource in words.
func (r copyResource) Title() string { return resourceAt(r.Resource).Title }

// Fresh is how long ago the last pass began.
func (r copyResource) Fresh() time.Duration { return seconds(r.Freshness) }

// Behind is how old the newest change is that was taken in.
func (r copyResource) Behind() time.Duration { return seconds(r.CursorAge) }

// Word is its state in words.
func (r copyResource) Word() string { return stateWords[r.State].word }

// Tone is the class of its state's badge.
func (r copyResource) Tone() string { return stateWords[r.State].tone }

func seconds(n *int64) time.Duration {
	if n == nil {
		return 0
	}
	return time.Duration(*n) * time.Second
}

// stateWords are states of copies, of reconciles and of their resources.
var stateWords = map[string]struct{ word, tone string }{
	"backfilling": {"Backfill under way", "info"}, "complete": {"Complete", "positive"}, "reconciling": {"Being compared", "info"},
	"queued": {"Waits for its turn", ""}, "running": {"Under way", "info"}, "failed": {"Failed", "negative"},
}

var _ = words("Backfill under way", "Complete", "Being compared", "Waits for its turn", "Under way", "Failed")

// copiesView is what the list of copies shows.
type copiesView struct {
	Items []copyItem `json:"items"`
	Next  string     `json:"next"`
	First bool       `json:"-"` // the first page
}

func (r *request) showCopies() error {
	v := copiesView{First: r.query("start") == ""}
	if err := r.get(copiesAPI, only("start", r.query("start")), &v); err != nil {
		return err
	}
	return r.show("copies", v)
}

// only is a query of one parameter, of none where its value is empty.
func only(name, value string) url.Values {
	if value == "" {
		return nil
	}
	return url.Values{name: {value}}
}

// copyView is what the page of a copy shows.
type copyView struct {
	copyItem

	Reconcile reconcileView
	Resource  string // whose quarantine and drift is shown; empty for all
	Held      struct {
		Items []heldItem `json:"items"`
		Next  string     `json:"next"`
	}
	FirstHeld bool // the first page of the quarantine
	Drift     struct {
		Items []driftItem `json:"items"`
		Total int         `json:"total"`
	}
	Done    string
	Problem string // why what was asked for was not done
}

// A heldItem is an object that stands in quarantine.
type heldItem struct {
	Resource  string  `json:"resource"`
	ID        string  `json:"id"`
	Path      string  `json:"path"`
	Reason    string  `json:"reason"`
	SeenAt    int64   `json:"seenAt"`
	RequestID string  `json:"requestId"`
	Raw       *string `json:"raw"`
}

// Title is its resource in words.
func (h heldItem) Title() string { return resourceAt(h.Resource).Title }

// A driftItem is something that schemas lack.
type driftItem struct {
	Resource  string `json:"resource"`
	Kind      string `json:"kind"`
	Path      string `json:"path"`
	Seen      string `json:"seen"`
	Count     int64  `json:"count"`
	FirstSeen int64  `json:"firstSeenAt"`
	LastSeen  int64  `json:"lastSeenAt"`
	Example   string `json:"example"`
}

// Title is its resource in words.
func (d driftItem) Title() string { return resourceAt(d.Resource).Title }

// Word is its kind in words.
func (d driftItem) Word() string { return driftWords[d.Kind] }

var driftWords = map[string]string{"unknown_field": "Unknown field", "unknown_type": "Unknown type", "unknown_value": "Unknown value"}

var _ = words("Unknown field", "Unknown type", "Unknown value")

func (r *request) copyPath() string { return copiesAPI + "/" + escape(r.http.PathValue("copy")) }

func (r *request) showCopy() error {
	v, err := r.copyView()
	if err != nil {
		return err
	}
	return r.show("copy", v)
}

// copyView asks for all that the page of a copy shows.
func (r *request) copyView() (*copyView, error) {
	v := &copyView{Resource: r.query("resource"), FirstHeld: r.query("start") == "", Done: r.replayed()}
	if err := r.get(r.copyPath(), nil, &v.copyItem); err != nil {
		return nil, err
	}
	query := url.Values{"limit": {"25"}}
	if v.Resource != "" {
		query.Set("resource", v.Resource)
	}
	if err := r.get(r.copyPath()+"/drift", query, &v.Drift); err != nil {
		return nil, err
	}
	if start := r.query("start"); start != "" {
		query.Set("start", start)
	}
	if err := r.get(r.copyPath()+"/quarantine", query, &v.Held); err != nil {
		return nil, err
	}
	var err error
	v.Reconcile, err = r.reconcileView()
	v.Reconcile.Open = len(v.Connections) > 0
	return v, err
}

// replay tries the quarantine again.
func (r *request) replay() error {
	body := map[string]any{}
	if resource := r.form("resource"); resource != "" {
		body["resources"] = []string{resource}
	}
	var got struct {
		Items []struct {
			Landed     int64 `json:"landed"`
			Superseded int64 `json:"superseded"`
			Refused    int64 `json:"refused"`
		} `json:"items"`
	}
	if err := r.send(http.MethodPost, r.copyPath()+"/quarantine/replay", body, &got); err != nil {
		return r.refused(err)
	}
	var landed, superseded, refused int64
	for _, one := range got.Items {
		landed, superseded, refused = landed+one.Landed, superseded+one.Superseded, refused+one.Refused
	}
	done := url.Values{}
	for name, n := range map[string]int64{"landed": landed, "superseded": superseded, "refused": refused} {
		done.Set(name, strconv.FormatInt(n, 10))
	}
	return r.redirect("/copies/" + escape(r.http.PathValue("copy")) + "?" + done.Encode() + "#quarantine")
}

// replayed says what became of the quarantine that was just tried again; "" where
// none was.
func (r *request) replayed() string {
	var n [3]int64
	for i, name := range []string{"landed", "superseded", "refused"} {
		var err error
		if n[i], err = strconv.ParseInt(r.query(name), 10, 64); err != nil {
			return ""
		}
	}
	return r.t("Tried again. In the copy now: %d. Older than what is there, and dropped: %d. Left: %d.", n[0], n[1], n[2])
}

// refused shows the page again with why something could not be done just now.
func (r *request) refused(err error) error {
	if !missing(err, http.StatusConflict) {
		return err
	}
	v, fault := r.copyView()
	if fault != nil {
		return fault
	}
	v.Problem = r.refusal(err).Text
	return r.render(http.StatusConflict, "copy", "page", v)
}

// A reconcileView is how a comparison of a copy with its account goes, or went.
type reconcileView struct {
	State     string `json:"state"`
	Accepts   bool   `json:"acceptDeletes"`
	AskedAt   int64  `json:"askedAt"`
	AskedBy   string `json:"askedBy"`
	EndedAt   int64  `json:"endedAt"`
	Waits     string `json:"waits"`
	Resources []struct {
		copyResource

		Read      int64  `json:"read"`
		Requests  int64  `json:"requests"`
		PagesLeft int64  `json:"pagesLeft"`
		Error     string `json:"error"`
		Guarded   bool   `json:"guarded"`
	} `json:"resources"`
	Proofs []proofItem `json:"proofs"`
	Copy   string      `json:"-"`
	Open   bool        `json:"-"` // a connection opens the account
}

// A proofItem is what a comparison of a resource came to.
type proofItem struct {
	Resource string `json:"resource"`
	Equal    bool   `json:"equal"`
	At       int64  `json:"at"`
	Before   int64  `json:"createdBefore"`
	InStripe int64  `json:"inStripe"`
	InLake   int64  `json:"inLake"`
	Missing  int64  `json:"missing"`
	Stale    int64  `json:"stale"`
	Extra    int64  `json:"extra"`
	Repaired int64  `json:"repaired"`
	Held     int64  `json:"held"`
	Sums     []struct {
		Field    string `json:"field"`
		Currency string `json:"currency"`
		InStripe int64  `json:"inStripe"`
		InLake   int64  `json:"inLake"`
	} `json:"sums"`
}

// Title is its resource in words.
func (p proofItem) Title() string { return resourceAt(p.Resource).Title }

// Goes says that it is not over.
func (v reconcileView) Goes() bool { return v.State == "queued" || v.State == "running" }

// Word is its state in words.
func (v reconcileView) Word() string { return stateWords[v.State].word }

// Tone is the class of its state's badge.
func (v reconcileView) Tone() string { return stateWords[v.State].tone }

// Guarded says that objects which are gone from the account were left in the copy,
// because they are many, or of a kind that does not vanish.
func (v reconcileView) Guarded() bool {
	for _, r := range v.Resources {
		if r.Guarded {
			return true
		}
	}
	return slices.ContainsFunc(v.Proofs, func(p proofItem) bool { return p.Held > 0 })
}

// Sums says whether any amounts were added up.
func (v reconcileView) Sums() bool {
	return slices.ContainsFunc(v.Proofs, func(p proofItem) bool { return len(p.Sums) > 0 })
}

func (r *request) reconcileView() (v reconcileView, err error) {
	v.Copy = r.http.PathValue("copy")
	return v, r.get(r.copyPath()+"/reconcile", nil, &v)
}

// showReconcile is asked for again and again while a comparison goes on.
func (r *request) showReconcile() error {
	if !r.partial() {
		return r.redirect("/copies/" + escape(r.http.PathValue("copy")) + "#reconcile")
	}
	v, err := r.reconcileView()
	if err != nil {
		return err
	}
	if !v.Goes() {
		var c copyItem
		if err := r.get(r.copyPath(), nil, &c); err != nil {
			return err
		}
		v.Open = len(c.Connections) > 0
	}
	switch v.State {
	case "complete":
		r.toast("positive", r.t("The comparison with Stripe has ended."))
	case "failed":
		r.toast("negative", r.t("The comparison with Stripe has failed for a resource."))
	}
	return r.part("copy", "reconcile", v)
}

// reconcile asks for a comparison.
func (r *request) reconcile() error {
	body := map[string]any{"acceptDeletes": r.form("accept") == "deletes"}
	if err := r.send(http.MethodPost, r.copyPath()+"/reconcile", body, nil); err != nil {
		return r.refused(err)
	}
	return r.redirect("/copies/" + escape(r.http.PathValue("copy")) + "#reconcile")
}

// budgetView is what reading an account costs, against what Stripe allows.
type budgetView struct {
	Days         int      `json:"windowDays"`
	Used         int64    `json:"used"`
	Allowance    int64    `json:"allowance"`
	Transactions int64    `json:"transactions"`
	Remaining    int64    `json:"remaining"`
	WarnAt       int64    `json:"warnAt"`
	StopAt       int64    `json:"stopAt"`
	Forecast     int64    `json:"forecast"`
	Every        int64    `json:"everySeconds"`
	Warnings     []string `json:"warnings"`
	Failure      string   `json:"-"` // why it is not known
}

// Interval is the usual time between passes.
func (b budgetView) Interval() time.Duration { return time.Duration(b.Every) * time.Second }

// Share is a number of reads as a share of the allowance.
func (b budgetView) Share(reads int64) float64 {
	if b.Allowance == 0 {
		return 0
	}
	return float64(reads) / float64(b.Allowance)
}

// showBudget asks what reading the account of a copy costs.
func (r *request) showBudget() error {
	var got struct {
		Budget budgetView `json:"budget"`
	}
	if err := r.get(r.copyPath()+"/budget", nil, &got); err != nil {
		if missing(err, http.StatusNotFound) {
			return err
		}
		got.Budget = budgetView{Failure: r.refusal(err).Text}
	}
	return r.part("copy", "budget", got.Budget)
}
