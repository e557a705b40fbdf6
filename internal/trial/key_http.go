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
	if len(k.Experiments) > 0 {
		v["experiments"] = k.Experiments
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
	body, err := c.Members("name", "origins", "experiments")
	if err != nil {
		return nil, err
	}
	var asked Key
	if err := body.Fill(map[string]any{"name": &asked.Name, "origins": &asked.Origins, "experiments": &asked.Experiments}); err != nil {
		return nil, err
	}
	k, secret, err := s.CreateKey(ctx, c.Caller, asked)
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
