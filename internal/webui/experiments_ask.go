package webui

import (
	"strings"
)

// asking is how a shop asks what a customer gets, in lines to be copied.
type asking struct{ Shell, Client string }

// asking returns the lines for an experiment. They ask the address at which the
// browser has found the pages.
func (r *request) asking(t trial) asking {
	base := "http://" + r.http.Host
	if r.ui.secure(r.http) {
		base = "https://" + r.http.Host
	}
	unit := "cus_…"
	if t.Unit.Metadata != "" {
		unit = "visitor-1"
	}
	fill := strings.NewReplacer("BASE", base, "FLAG", t.Key, "UNIT", unit, "CURRENCY", t.Measure.Currency)
	return asking{Shell: fill.Replace(askShell), Client: fill.Replace(askClient)}
}

const askShell = `curl -s -X POST BASE/ofrep/v1/evaluate/flags/FLAG \
  -H 'Authorization: Bearer tdk_…' -H 'Content-Type: application/json' \
  -d '{"context": {"targetingKey": "UNIT", "cart": ["…"], "cartValue": 6000, "currency": "CURRENCY"}}'`

const askClient = `import { OpenFeature } from '@openfeature/server-sdk';
import { OFREPProvider } from '@openfeature/ofrep-provider';

await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl: 'BASE', headers: [['Authorization', 'Bearer tdk_…']] }));
const told = await OpenFeature.getClient().getObjectValue('FLAG', {}, { targetingKey: 'UNIT', cart: ['…'], cartValue: 6000, currency: 'CURRENCY' });`
