package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/server"
)

// serve serves the demo's directory, with a connection and a dataflow over the
// simulated account at url, until ctx is done.
func (c *demoCmd) serve(ctx context.Context, at string, key string) error {
	file := filepath.Join(c.Dir, "stripe.key")
	if err := os.WriteFile(file, []byte(key+"\n"), 0o600); err != nil {
		return err
	}
	s := &serveCmd{}
	if err := kong.ApplyDefaults(s); err != nil {
		return err
	}
	s.Dir, s.KeyFile, s.StripeURL, s.RateShare, s.Listen = c.Dir, file, at, 1, c.Listen
	s.quiet = true
	// Whoever watches is not to wait for the next quarter of an hour.
	s.Every = time.Minute
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ready := make(chan *server.Server, 1)
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx, func(srv *server.Server) { ready <- srv }) }()
	var err error
	select {
	case srv := <-ready:
		err = c.furnish(ctx, srv.URL(), key)
	case e := <-ended:
		return e
	}
	if err != nil {
		cancel()
	}
	return errors.Join(err, <-ended)
}

// furnish makes what a new user makes by the pages: a connection and a dataflow
// of the charges; and says where the pages are.
func (c *demoCmd) furnish(ctx context.Context, at string, key string) error {
	b, err := access.ReadBootstrap(c.Dir)
	if err != nil {
		return err
	}
	d := &demoClient{url: at, header: http.Header{"Content-Type": {"application/json"}}}
	var token struct {
		AccessToken string `json:"access_token"`
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {b.ClientID}, "client_secret": {b.ClientSecret}, "scope": {"openid"}}
	if err := d.do(ctx, http.MethodPost, "/ims/token/v3", "application/x-www-form-urlencoded", strings.NewReader(form.Encode()), &token); err != nil {
		return err
	}
	d.header = http.Header{"Authorization": {"Bearer " + token.AccessToken}, "X-Api-Key": {b.ClientID}, "X-Gw-Ims-Org-Id": {b.Org}, "X-Sandbox-Name": {b.Sandbox}}
	if err := d.dataflow(ctx, key); err != nil {
		return fmt.Errorf("furnish the demo: %w", err)
	}
	fmt.Printf(`
The pages are at %s/ui. Sign in with

  client id      %s
  client secret  %s

To connect the simulated account yourself, take the access token %s.
Control-C ends the demo. Another demo begins anew; what you made in this one, without the account, is served by

  %s serve --dir %s
`, at, b.ClientID, b.ClientSecret, key, program(os.Args[0]), c.shortDir())
	return nil
}

// A demoClient calls the API as any client does.
type demoClient struct {
	url    string
	header http.Header
}

// dataflow makes a dataflow that takes the charges into a dataset each hour.
func (d *demoClient) dataflow(ctx context.Context, key string) error {
	type object = map[string]any
	const (
		name  = "Charges of the demo's shop"
		flows = "/data/foundation/flowservice/"
	)
	stripeSpec := object{"id": "cc2c31d6-7b8c-4581-b49f-5c8698aa3ab3", "version": "1.0"}
	base, err := d.make(ctx, flows+"connections", object{
		"name": "The demo's shop", "connectionSpec": stripeSpec,
		"auth": object{"specName": "OAuth2 Refresh Code", "params": object{"accessToken": key}},
	})
	if err != nil {
		return err
	}
	source, err := d.make(ctx, flows+"sourceConnections", object{
		"name": name, "baseConnectionId": base, "connectionSpec": stripeSpec, "data": object{"format": "json"}, "params": object{"resourcePath": "charges"},
	})
	if err != nil {
		return err
	}
	var schemas struct {
		Results []struct {
			ID string `json:"$id"`
		} `json:"results"`
	}
	if err := d.call(ctx, http.MethodGet, "/data/foundation/schemaregistry/tenant/schemas?property="+url.QueryEscape("title==Stripe Charges"), nil, &schemas); err != nil {
		return err
	}
	if len(schemas.Results) != 1 {
		return problem.Errorf(problem.Internal, "there are %d schemas of charges", len(schemas.Results))
	}
	schema := schemas.Results[0].ID
	var sets []string
	err = d.call(ctx, http.MethodPost, "/data/foundation/catalog/dataSets", object{
		"name": name, "schemaRef": object{"id": schema, "contentType": "application/vnd.adobe.xed+json;version=1"}, "fileDescription": object{"format": "parquet"},
	}, &sets)
	if err != nil {
		return err
	}
	target, err := d.make(ctx, flows+"targetConnections", object{
		"name": name, "connectionSpec": object{"id": "c604ff05-7f1a-43c0-8e18-33bf874cb11c", "version": "1.0"},
		"data":   object{"format": "parquet_xdm", "schema": object{"id": schema, "version": "application/vnd.adobe.xed-full+json;version=1"}},
		"params": object{"dataSetId": strings.TrimPrefix(sets[0], "@/dataSets/")},
	})
	if err != nil {
		return err
	}
	var template any
	if err := d.call(ctx, http.MethodGet, "/data/foundation/conversion/mappingSetTemplates/charges?schema="+url.QueryEscape(schema), nil, &template); err != nil {
		return err
	}
	mapping, err := d.make(ctx, "/data/foundation/conversion/mappingSets", template)
	if err != nil {
		return err
	}
	_, err = d.make(ctx, flows+"flows", object{
		"name": name, "flowSpec": object{"id": "6499120c-0b15-42dc-936e-847ea3c24d72", "version": "1.0"},
		"sourceConnectionIds": []string{source}, "targetConnectionIds": []string{target},
		"transformations": []object{{"name": "Mapping", "params": object{"mappingId": mapping, "mappingVersion": 0}}},
		"scheduleParams":  object{"startTime": strconv.FormatInt(time.Now().Unix(), 10), "frequency": "hour", "interval": 1},
	})
	return err
}

// make posts a document and returns the id of what it made.
func (d *demoClient) make(ctx context.Context, path string, body any) (string, error) {
	var made struct {
		ID string `json:"id"`
	}
	err := d.call(ctx, http.MethodPost, path, body, &made)
	return made.ID, err
}

// call sends a body as JSON, or none, and decodes the answer.
func (d *demoClient) call(ctx context.Context, method, path string, body, into any) error {
	if body == nil {
		return d.do(ctx, method, path, "", nil, into)
	}
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return d.do(ctx, method, path, "application/json", bytes.NewReader(text), into)
}

func (d *demoClient) do(ctx context.Context, method, path, kind string, body io.Reader, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, d.url+path, body)
	if err != nil {
		return err
	}
	req.Header = d.header.Clone()
	req.Header.Set("Accept", "application/json")
	if strings.Contains(path, "/schemaregistry/") {
		req.Header.Set("Accept", "application/vnd.adobe.xed-id+json")
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return problem.Errorf(problem.Internal, "%s %s is answered with %d: %s", method, path, resp.StatusCode, bytes.TrimSpace(text))
	}
	return json.Unmarshal(text, into)
}
