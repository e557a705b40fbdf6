package control_test

// Reasons for which an answer of a call is not held against its file.
const (
	nothingThere    = "there is nothing that could be asked for"
	notForClients   = "nobody's call of it succeeds here: what it would change is the release's, or there are no such things"
	nothingToRefuse = "the call has no parameter that could be wrong"
)

// spared are the calls of which a success, or a refusal, can't be had.
var spared = map[string]string{
	"GET /data/foundation/schemaregistry/global/fieldgroups/{id}":         nothingThere,
	"GET /data/foundation/schemaregistry/global/mixins/{id}":              nothingThere,
	"GET /data/foundation/schemaregistry/global/datatypes/{id}":           nothingThere,
	"GET /data/foundation/schemaregistry/global/schemas/{id}":             nothingThere,
	"POST /data/foundation/access-control/administration/policies":        notForClients,
	"GET /data/foundation/access-control/administration/policies/{id}":    notForClients,
	"PUT /data/foundation/access-control/administration/policies/{id}":    notForClients,
	"PATCH /data/foundation/access-control/administration/policies/{id}":  notForClients,
	"DELETE /data/foundation/access-control/administration/policies/{id}": notForClients,
	"POST /data/foundation/flowservice/connectionSpecs":                   notForClients,
	"PUT /data/foundation/flowservice/connectionSpecs/{id}":               notForClients,
	"POST /data/foundation/flowservice/flowSpecs":                         notForClients,
	"PUT /data/foundation/flowservice/flowSpecs/{id}":                     notForClients,
	"PUT /data/foundation/flowservice/runs/{id}":                          notForClients,
	"GET /data/foundation/access-control/acl/reference":                   nothingToRefuse,
	"GET /data/foundation/sandbox-management/sandboxTypes":                nothingToRefuse,
	"GET /data/foundation/catalog":                                        nothingToRefuse,
	"GET /data/foundation/conversion/languages/el/functions":              nothingToRefuse,
	"GET /data/foundation/conversion/languages/el/operators":              nothingToRefuse,
	"GET /data/foundation/schemaregistry/stats":                           nothingToRefuse,
}

// deviations are what we answer other than a file says, on purpose: with
// which status, in which operations, and why.
var deviations = []struct {
	file   string
	status int
	says   string // what the fault's words hold
	why    string
	ops    []string // nil for all of the file
}{
	{"access-control", 200, "value must be an object", "the file's own samples have lists", []string{
		"GET /administration/products/{PRODUCT_ID}/categories", "GET /administration/products/{PRODUCT_ID}/permission-sets",
	}},
	{"access-control", 400, "no such status", "the file has no word for a refusal of the service", nil},
	{"access-control", 404, "no such status", "as above", nil},

	{"sandbox", 200, "date-time", "the guides show 2019-09-04 20:13:46", []string{
		"GET /sandbox-management/", "GET /sandbox-management/sandboxes", "GET /sandbox-management/sandboxes/{sandboxName}", "PATCH /sandbox-management/sandboxes/{sandboxName}",
	}},
	{"sandbox", 200, ": value must be an object", "the guides show the names alone", []string{"GET /sandbox-management/sandboxTypes"}},
	{"sandbox", 404, "no such status", "what is not there is not there: the file knows no word for it", []string{"GET /sandbox-management/sandboxes/{sandboxName}"}},
	{"sandbox", 409, "no such status", "the default sandbox can't be deleted, and the request is not malformed", []string{"DELETE /sandbox-management/sandboxes/{sandboxName}"}},

	{"schema-registry", 200, "/next: Value is not nullable", "the guides show null behind the last page, and the file says so in words", []string{
		"GET /global/behaviors", "GET /{CONTAINER_ID}/classes", "GET /{CONTAINER_ID}/datatypes", "GET /{CONTAINER_ID}/fieldgroups", "GET /{CONTAINER_ID}/mixins",
		"GET /{CONTAINER_ID}/schemas",
	}},
	{"schema-registry", 200, "/_links/next: value must be a string", "the guides show an object with href", []string{
		"GET /{CONTAINER_ID}/fieldgroups", "GET /{CONTAINER_ID}/mixins", "GET /{CONTAINER_ID}/schemas",
	}},
	{"schema-registry", 200, "/classUsage: value must be an array", "the guide's is an object by class", []string{"GET /stats"}},
	{"schema-registry", 200, "/value: value must be a string", "a change's value is what it is; the file's own example has an object", []string{"GET /rpc/auditlog/{RESOURCE_ID}"}},
	{"schema-registry", 200, "/xdm:descriptorIdentity/0: value must be an object", "ids and links are asked for by the Accept header, and the file describes whole descriptors alone", []string{"GET /{CONTAINER_ID}/descriptors"}},
	{"schema-registry", 200, "/xdm:sourceVersion: value must be a string", "it is answered as it was sent; the guides send the number 1", []string{
		"GET /{CONTAINER_ID}/descriptors", "GET /{CONTAINER_ID}/descriptors/{DESCRIPTOR_ID}",
	}},
	{"schema-registry", 201, "/xdm:sourceVersion: value must be a string", "as above", []string{"POST /tenant/descriptors"}},
	{"schema-registry", 400, "no such status", "a mixin is a field group by its old name, and the file describes the refused Accept header for that", []string{"GET /{CONTAINER_ID}/mixins/{MIXIN_ID}"}},
	{"schema-registry", 404, "no such status", "the file has it for schemas and classes: what is not there answers alike", []string{
		"GET /{CONTAINER_ID}/datatypes/{DATA_TYPE_ID}", "GET /{CONTAINER_ID}/fieldgroups/{FIELD_GROUP_ID}", "DELETE /tenant/fieldgroups/{FIELD_GROUP_ID}", "GET /rpc/auditlog/{RESOURCE_ID}",
	}},
	{"schema-registry", 406, "no such status", "the file has it for schemas: a version that is not there answers alike", []string{
		"GET /{CONTAINER_ID}/classes/{CLASS_ID}", "GET /{CONTAINER_ID}/datatypes/{DATA_TYPE_ID}", "GET /{CONTAINER_ID}/fieldgroups/{FIELD_GROUP_ID}",
	}},

	{"identity-service", 200, "idType: value is not one of the allowed values", "the file writes the types in three ways; ours are in capitals, as the guides show them", []string{
		"GET /idnamespace/identities", "POST /idnamespace/identities", "GET /idnamespace/identities/{ID}",
	}},

	{"batch-ingestion", 201, "/status: value is not one of the allowed values", "a new batch is loading, as in the guides", []string{"POST /batches"}},
	{"batch-ingestion", 200, "/status: value is not one of the allowed values", "the guides know more states than the file: loading, loaded, aborted, inactive", []string{"POST /batches/{batchId}"}},
	{"batch-ingestion", 201, "/format: value is not one of the allowed values", "the guides take csv as well", []string{"POST /batches"}},
	{"batch-ingestion", 200, "/format: value is not one of the allowed values", "as above", []string{"POST /batches/{batchId}"}},
	{"batch-ingestion", 201, "no such status", "to initialize a large file makes one; the guides answer 201", []string{"POST /batches/{batchId}/datasets/{datasetId}/files/{filePath}"}},

	{"catalog", 201, "/0: value must be a string", "the guide answers what became of each request, by its id", []string{"POST /"}},

	{"data-access", 404, "no such status", "what is not there is not there: the file has it for the other calls", []string{"GET /batches/{batchId}/files", "GET /batches/{batchId}/failed"}},

	{"data-prep", 200, "Date: value must be a string", "all samples, the file's too, have milliseconds", []string{
		"GET /mappingSets", "POST /mappingSets", "GET /mappingSets/{MAPPING_SET_ID}", "PUT /mappingSets/{MAPPING_SET_ID}", "GET /mappingSets/{MAPPING_SET_ID}/mappings/{MAPPING_ID}",
	}},
	{"data-prep", 200, "sourceType: value is not one of the allowed values", "the guides' stored mappings have text/x.schema-path and the like", []string{
		"GET /mappingSets", "GET /mappingSets/{MAPPING_SET_ID}", "PUT /mappingSets/{MAPPING_SET_ID}", "GET /mappingSets/{MAPPING_SET_ID}/mappings/{MAPPING_ID}",
	}},
	{"data-prep", 200, "/: value must be an object", "a set has many mappings; the file shows one in the place of the list", []string{"GET /mappingSets/{MAPPING_SET_ID}/mappings"}},
	{"data-prep", 200, "/: value must be a boolean", "the guide answers validationStatus and error", []string{"POST /languages/el/validate"}},
	{"data-prep", 200, "Value is not nullable", "what there is none of is null, as in the file's own sample", []string{"POST /mappingSets/validate", "POST /mappingSets/preview"}},

	{"flow-service", 400, "no such status", "the guides list the refusals with their codes; the file has a few of them", nil},
	{"flow-service", 404, "no such status", "as above", nil},
	{"flow-service", 403, "no such status", "as above; the call is for providers of sources alone", []string{"PUT /runs/{RUN_ID}"}},
	{"flow-service", 200, "/uiAttributes/", "the guide's sample has objects", []string{"GET /connectionSpecs", "GET /connectionSpecs/{CONNECTION_SPEC_ID}"}},
	{"flow-service", 200, "/transformationSpecs: value must be an object", "the guides have a list", []string{"GET /flowSpecs", "GET /flowSpecs/{FLOW_SPEC_ID}", "POST /flowSpecs/search"}},
	{"flow-service", 200, "/scheduleParams/", "the guides' times and switches of a flow are texts", []string{"GET /flows", "GET /flows/{FLOW_ID}"}},
	{"flow-service", 200, "/: value must be an array", "the guide's is an object with format, schema and data; the rest are items, as everywhere", []string{
		"GET /connections/{BASE_CONNECTION_ID}/explore", "GET /connections/{BASE_CONNECTION_ID}/configs",
		"GET /connectionSpecs/{CONNECTION_SPEC_ID}/explore", "GET /connectionSpecs/{CONNECTION_SPEC_ID}/configs",
	}},
}
