package webui

import (
	"errors"
	"net/http"

	"github.com/tributary-data/tributary/internal/gateway"
)

const copiesAPI = "/data/tributary/copies"

// accountFacts are what there is to know about the account of a base
// connection: what its key may read, and what reading costs.
type accountFacts struct {
	AccountID   string         `json:"accountId"`
	DisplayName string         `json:"displayName"`
	Livemode    bool           `json:"livemode"`
	CheckedAt   int64          `json:"checkedAt"`
	Resources   []accessFact   `json:"resources"`
	Events      accessFact     `json:"events"`
	Rate        rateFacts      `json:"rate"`
	Budget      budgetFacts    `json:"budget"`
	Key         keyFacts       `json:"key"`
	Egress      []string       `json:"egressAddresses"`
	Failure     string         `json:"-"` // why it is not known
	Connection  baseConnection `json:"-"`
}

type rightFact struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type accessFact struct {
	Resource string      `json:"resource"`
	Readable bool        `json:"readable"`
	Right    rightFact   `json:"right"`
	Missing  []rightFact `json:"missing"`
	Reason   string      `json:"reason"`
}

// Title is the resource in words.
func (a accessFact) Title() string { return resourceAt(a.Resource).Title }

type rateFacts struct {
	Limit    float64 `json:"limit"`
	Endpoint float64 `json:"endpointLimit"`
	Share    float64 `json:"share"`
	Allowed  float64 `json:"allowed"`
	Used     float64 `json:"used"`
}

type budgetFacts struct {
	Days      int   `json:"windowDays"`
	Used      int64 `json:"used"`
	Allowance int64 `json:"allowance"`
	Remaining int64 `json:"remaining"`
}

// Share is how much of the allowance is used.
func (b budgetFacts) Share() float64 {
	if b.Allowance == 0 {
		return 0
	}
	return float64(b.Used) / float64(b.Allowance)
}

type keyFacts struct {
	Page   string `json:"page"`
	Create string `json:"create"`
	Rights []struct {
		rightFact

		For      string `json:"for"`
		Required bool   `json:"required"`
	} `json:"rights"`
}

// accountFacts asks Stripe, by the API, about an account.
func (r *request) accountFacts(id string) (*accountFacts, error) {
	c, err := r.connection(id)
	if err != nil {
		return nil, err
	}
	f := &accountFacts{}
	err = r.get(copiesAPI+"/connections/"+escape(id)+"/account", nil, f)
	if refused, ok := errors.AsType[*gateway.Failure](err); ok && refused.Status < http.StatusInternalServerError {
		f, err = &accountFacts{Failure: refused.Detail}, nil
	}
	if err != nil {
		return nil, err
	}
	f.Connection = *c
	return f, nil
}

// showConnected tells about the account that was chosen.
func (r *request) showConnected() error {
	d, ok, err := r.enter("data")
	if err != nil || !ok {
		return err
	}
	f, err := r.accountFacts(d.Connection)
	if err != nil {
		return err
	}
	return r.part("workflow_connect", "account-facts", f)
}
