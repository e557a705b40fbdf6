package stripe

import (
	"net/http"

	"github.com/tributary-data/tributary/internal/problem"
)

const keysPage = "https://dashboard.stripe.com/apikeys"

// A cause is a way Stripe says no that the program knows by more than its status.
type cause uint8

const (
	other cause = iota
	missingPermission
	wrongAccount
	addressRefused
	otherMode
	objectGone
	unknownVersion
)

// A refusal is how one cause is recognised and told to the user.
type refusal struct {
	cause   cause
	codes   []string
	phrases []string // stable parts of the message, lower case
	kind    problem.Kind
	detail  string
	advice  string
	global  bool
	show    bool // Stripe's own message says more, and repeats nothing secret
}

// refusals are tried in this order: codes first, then phrases.
var refusals = []refusal{
	{
		codes: []string{"api_key_expired", "platform_api_key_expired"}, phrases: []string{"expired api key"},
		kind: problem.Unauthenticated, global: true,
		detail: "the Stripe key was rolled or has expired",
		advice: "Make a new key at " + keysPage + " and replace it here.",
	},
	{
		codes: []string{"secret_key_required"}, phrases: []string{"publishable api key", "publishable key"},
		kind: problem.Unauthenticated, global: true,
		detail: "the key is a publishable key, which cannot read data",
		advice: "Use a restricted (rk_…) or a secret (sk_…) key from " + keysPage + ".",
	},
	{
		cause: missingPermission, codes: []string{"more_permissions_required"},
		phrases: []string{"required permissions", "permission denied", "would allow this request to continue"},
		kind:    problem.Forbidden,
		detail:  "the key lacks a permission",
		advice:  "Edit the key at " + keysPage + " and set what is missing to Read.",
	},
	{
		cause: wrongAccount, codes: []string{"account_invalid"}, phrases: []string{"does not have access to account"},
		kind: problem.Forbidden, global: true,
		detail: "the Stripe account does not exist or the key has no access to it",
		advice: "Check the account id; if the application's access was revoked in Stripe, connect it again.",
	},
	{
		phrases: []string{"only stripe connect platforms"},
		kind:    problem.Forbidden, global: true,
		detail: "the key is not a Connect platform's, so it cannot read another account",
		advice: "Leave the account id empty.",
	},
	{
		cause: addressRefused, phrases: []string{"requests from your ip address"},
		kind: problem.Unauthenticated, global: true,
		detail: "the Stripe key works only from listed addresses, and this machine's is not among them",
		advice: "Add the address to the key's list at " + keysPage + ".",
	},
	{
		cause: objectGone, codes: []string{"resource_missing"}, phrases: []string{"no such "},
		kind: problem.NotFound, detail: "Stripe has no such object", show: true,
	},
	{
		codes: []string{"url_invalid"}, phrases: []string{"unrecognized request url"},
		kind:   problem.Invalid,
		detail: "there is no such address at this host",
		advice: "Check the Stripe URL.",
	},
	{
		codes: []string{"invalid_grant"},
		kind:  problem.Unauthenticated, global: true,
		detail: "Stripe does not accept this connection any more",
		advice: "Connect the account again.",
	},
	{
		codes: []string{"lock_timeout"},
		kind:  problem.Unavailable, detail: "Stripe kept the object locked",
	},
	{
		cause: unknownVersion, phrases: []string{"api version", "stripe-version", "stripe version"},
		kind: problem.Internal, global: true, show: true,
		detail: "Stripe does not serve version " + Version,
		advice: "Update Tributary.",
	},
}

// wrongMode has the code of a missing object, but says nothing about whether
// the object exists.
var wrongMode = refusal{
	cause: otherMode, phrases: []string{"a similar object exists in"},
	kind:   problem.Conflict,
	detail: "the object belongs to the other mode (live or test) than the key",
	advice: "Use a key of the mode that was copied so far.",
}

// foreign is an answer that did not come from Stripe's API.
var foreign = refusal{
	kind:   problem.Invalid,
	detail: "something that is not Stripe's API answered",
	advice: "Check the Stripe URL and any proxy between here and Stripe.",
}

// byStatus judges an answer that no refusal fits.
func byStatus(status int) refusal {
	switch status {
	case http.StatusUnauthorized:
		return refusal{
			kind: problem.Unauthenticated, global: true, detail: "Stripe did not accept the key",
			advice: "Copy it again from " + keysPage + " and check the account and the mode.",
		}
	case http.StatusForbidden:
		return refusal{kind: problem.Forbidden, detail: "Stripe forbids this read", show: true}
	case http.StatusNotFound:
		return refusal{kind: problem.NotFound, detail: "Stripe has no such object", show: true}
	case http.StatusTooManyRequests:
		return refusal{
			kind: problem.Unavailable, detail: "Stripe's rate limit refused the read again and again", show: true,
			advice: "Other traffic uses up the account's limit: run again later or lower the rate share.",
		}
	case http.StatusConflict, http.StatusFailedDependency:
		return refusal{kind: problem.Unavailable, detail: "Stripe could not answer now", show: true}
	}
	if status >= 500 {
		return refusal{
			kind: problem.Unavailable, detail: "Stripe failed to answer", show: true,
			advice: "Run again later; what was read is kept.",
		}
	}
	return refusal{kind: problem.Invalid, detail: "Stripe did not accept the request", show: true}
}
