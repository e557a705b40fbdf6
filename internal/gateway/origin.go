package gateway

// Origin returns the address that the client called, https://host, for links
// that must be whole.
func (c *Call) Origin() string {
	scheme := "http"
	if c.HTTP.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + c.HTTP.Host
}
