package stripe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/tributary-data/tributary/internal/problem"
)

// A WebhookEndpoint is an address to which Stripe sends events
// (https://docs.stripe.com/api/webhook_endpoints/object).
type WebhookEndpoint struct {
	ID         string   `json:"id"` // we_…
	URL        string   `json:"url"`
	Status     string   `json:"status"`         // enabled or disabled
	APIVersion string   `json:"api_version"`    // that renders the events; "" for the account's own
	Events     []string `json:"enabled_events"` // types, or one "*"
	Livemode   bool     `json:"livemode"`
	Created    int64    `json:"created"` // unix seconds
	// Secret signs what is sent. Stripe tells it once, when the endpoint is
	// made.
	Secret Secret `json:"-"`
}

const webhookPath = "/v1/webhook_endpoints"

// CreateWebhook makes an endpoint for events of these types, rendered at
// Version; connect asks for those of connected accounts. once names the
// attempt: sent again, it makes no second endpoint.
func (c *Client) CreateWebhook(ctx context.Context, target string, events []string, connect bool, once string) (WebhookEndpoint, error) {
	form := url.Values{
		"url": {target}, "enabled_events[]": events, "api_version": {Version}, "description": {"Tributary"},
	}
	if connect {
		form.Set("connect", "true")
	}
	resp, err := c.get(ctx, &request{
		endpoint: webhookPath, path: webhookPath, priority: urgent, method: http.MethodPost, form: form, once: once,
	})
	if err != nil {
		return WebhookEndpoint{}, webhookRefused(err)
	}
	defer resp.Release()
	var made struct {
		WebhookEndpoint
		Secret string `json:"secret"`
	}
	if err := json.Unmarshal(resp.Body, &made); err != nil {
		return WebhookEndpoint{}, fmt.Errorf("the new webhook endpoint: %w", err)
	}
	made.WebhookEndpoint.Secret, err = ParseSecret(made.Secret)
	return made.WebhookEndpoint, err
}

// Webhooks lists all endpoints of the account, newest first.
func (c *Client) Webhooks(ctx context.Context) ([]WebhookEndpoint, error) {
	var all []WebhookEndpoint
	query := url.Values{}
	for {
		page, err := c.page(ctx, &request{endpoint: webhookPath, path: webhookPath, query: query, priority: urgent, most: PageSize})
		if err != nil {
			return nil, webhookRefused(err)
		}
		for _, it := range page.List.Items {
			var e WebhookEndpoint
			if err := json.Unmarshal(it.Raw, &e); err != nil {
				page.Release()
				return nil, fmt.Errorf("webhook endpoint %s: %w", it.ID, err)
			}
			all = append(all, e)
		}
		more := page.List.HasMore && len(page.List.Items) > 0
		page.Release()
		if !more {
			return all, nil
		}
		last := all[len(all)-1].ID
		if query.Get("starting_after") == last {
			return nil, fmt.Errorf("the list of webhook endpoints does not go on after %s", last)
		}
		query.Set("starting_after", last)
	}
}

// DeleteWebhook removes an endpoint. One that is not there is a NotFound error.
func (c *Client) DeleteWebhook(ctx context.Context, id string) error {
	const endpoint = webhookPath + "/{id}"
	if !strings.HasPrefix(id, "we_") || token(id) == "" {
		return &problem.Error{Kind: problem.Invalid, Detail: "this is not the id of a webhook endpoint", Advice: "It should look like we_1A2b3C; `webhook list` shows them."}
	}
	resp, err := c.get(ctx, &request{endpoint: endpoint, path: webhookPath + "/" + id, priority: urgent, method: http.MethodDelete})
	if e := (*Error)(nil); errors.As(err, &e) && e.Kind == problem.NotFound && e.Tries > 1 {
		return nil // an earlier try removed it, and its answer was lost
	}
	if err != nil {
		return webhookRefused(err)
	}
	resp.Release()
	return nil
}

// webhookRefused says what managing endpoints takes, which is more than
// reading does.
func webhookRefused(err error) error {
	e := (*Error)(nil)
	if errors.As(err, &e) && e.Kind == problem.Forbidden && e.Permission != "" {
		e.Permission = permissionOf(webhookPath) // a list names a smaller one, with which nothing is managed
		e.Detail = "the key lacks a permission: " + permissionText(e.Permission)
		e.Advice = "Edit the key at " + keysPage + " and set Webhook endpoints to Write, or make the endpoint in the Dashboard and add its secret with `webhook add`."
	}
	return err
}
