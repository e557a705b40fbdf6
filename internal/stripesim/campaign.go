package stripesim

import "time"

// A Campaign shows variants to the customers who come to a checkout in a time, and
// the same ones ever after. Its method Offer is that of a Shopping.
type Campaign struct {
	From, To time.Time                    // new customers at From or later and before To
	Assign   func(customer string) string // says which variant
	// Shown is told of each customer once, when the variant is shown first.
	Shown func(customer, variant string, at time.Time)

	variants map[string]string
}

// Offer implements an Offer without add-ons of its own.
func (c *Campaign) Offer(customer string, _ []string, at time.Time) (variant string, addOns []string) {
	if variant, ok := c.variants[customer]; ok {
		return variant, nil
	}
	if at.Before(c.From) || !at.Before(c.To) {
		return "", nil
	}
	if c.variants == nil {
		c.variants = map[string]string{}
	}
	variant = c.Assign(customer)
	c.variants[customer] = variant
	c.Shown(customer, variant, at)
	return variant, nil
}
