package trial

import (
	"context"

	"github.com/tributary-data/tributary/internal/gateway"
)

func showKey(k Key) map[string]any {
	v := map[string]any{"id": k.ID, "name": k.Name, "hint": k.Hint, "createdBy": k.CreatedBy, "createdAt": k.Created.Format(timeForm)}
	if len(k.Origins) > 0 {
		v["origins"] = k.Origins
	}
	if !k.Used.IsZero() {
		v["lastUsedAt"] = k.Used.Format(timeForm)
	}
	return v
}

func (s *Service) keys(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	all, err := s.Keys(ctx, c.Caller)
	if err != nil {
		return nil, err
	}
	items := []any{}
	for _, k := range all {
		items = append(items, showKey(k))
	}
	return gateway.OK(map[string]any{"items": items}), nil
}

func (s *Service) createKey(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	body, err := c.Members("name", "origins")
	if err != nil {
		return nil, err
	}
	var name string
	var origins []string
	if err := body.Fill(map[string]any{"name": &name, "origins": &origins}); err != nil {
		return nil, err
	}
	k, secret, err := s.CreateKey(ctx, c.Caller, name, origins...)
	if err != nil {
		return nil, err
	}
	v := showKey(k)
	v["key"] = secret
	return gateway.Created(base+"/keys/"+k.ID, v), nil
}

func (s *Service) revokeKey(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	if err := s.RevokeKey(ctx, c.Caller, c.Var("key")); err != nil {
		return nil, err
	}
	return gateway.NoContent(), nil
}
