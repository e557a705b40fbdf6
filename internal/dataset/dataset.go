// Package dataset has the words that the data plane shares: the layout of a
// record, the record itself, and the object that could not become one.
package dataset

import "time"

// A Rejected is an object that could not be ingested and why. It goes to the
// quarantine, whole.
type Rejected struct {
	Resource  string
	ID        string // empty when the object has none that can be read
	Path      string // field at fault, dotted, list positions in brackets; empty for the whole object
	Reason    string // what is wrong with it
	Raw       []byte // the object as it came
	RequestID string // Stripe's req_…
	RunID     string
	SeenAt    time.Time
}

// A Version is what a row of history says beside the object itself.
type Version struct {
	Seq        int64     // order of landing, strictly increasing per resource
	Op         string    // OpUpsert, OpDelete or OpSeen
	SeenAt     time.Time // Stripe's time when the request that read it began
	Source     string    // SourceBackfill, …
	RunID      string
	Account    string // acct_…, empty when unknown
	Livemode   bool
	APIVersion string // the Stripe-Version that rendered it
}

// Values of Version.Op.
const (
	OpUpsert = "upsert" // the object's state at SeenAt
	OpDelete = "delete" // the object is gone; raw is its last state
	OpSeen   = "seen"   // an event's snapshot: told, never applied to the dataset
)

// Values of Version.Source.
const (
	SourceBackfill  = "backfill"
	SourceEvent     = "event"
	SourceWebhook   = "webhook"
	SourceReconcile = "reconcile"
	SourceReference = "reference" // fetched because another object refers to it
	SourceReplay    = "replay"    // stood in quarantine and could be mapped later
)
