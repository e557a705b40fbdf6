package registry

// The parsers of Accept headers, for fuzzing.
var (
	ListFormat       = listFormat
	LookupFormat     = lookupFormat
	DescriptorFormat = descriptorFormat
	AcceptDescriptor = acceptDescriptor
)
