// Package stripe reads Stripe's API: paced below the account's limits, retried
// where a retry is safe, at one pinned version, with raw bodies. Stripe's
// refusals become errors that a user can act on, and no key is ever printed.
package stripe

// Version is the Stripe-Version sent on every request and required of every
// answer. It is the newest version that serves the top-level billing periods,
// discount and invoice fields that later versions removed.
const Version = "2025-02-24.acacia"

// DefaultURL is the base URL of Stripe's API.
const DefaultURL = "https://api.stripe.com"
