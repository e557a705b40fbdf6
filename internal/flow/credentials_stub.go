package flow

import (
	"encoding/json"
	"errors"

	"github.com/tributary-data/tributary/internal/stripe"
)

func about(v *Connection) string {
	return kindConnection + "/" + v.Org + "/" + v.SandboxID + "/" + v.ID
}

// Credentials opens a connection's credentials.
func (s *Service) Credentials(v *Connection) (cred Credentials, err error) {
	if v.Auth.Sealed == nil {
		return cred, errors.New("the connection has no credentials")
	}
	text, err := s.Keys.Open(v.Auth.Sealed.Text, about(v))
	if err != nil {
		return cred, err
	}
	var params struct{ AccessToken string }
	if err := json.Unmarshal(text, &params); err != nil {
		return cred, err
	}
	cred.Key, err = stripe.ParseKey(params.AccessToken)
	return cred, err
}
