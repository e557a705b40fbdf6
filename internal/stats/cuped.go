package stats

// CUPED takes out of Y what X, known of each unit from before the experiment,
// explains of it (Deng, Xu, Kohavi, Walker: Improving the Sensitivity of Online
// Controlled Experiments by Utilizing Pre-Experiment Data, 2013). One theta is
// taken for all groups, from the variation inside of them, so that groups are
// compared as they were assigned. It returns the groups' adjusted Y; theta is 0,
// and nothing changes, where X does not vary.
func CUPED(groups []Pair) (theta float64, adjusted []Sample) {
	var cov, varX, n, sum float64
	for _, g := range groups {
		w := max(0, float64(g.N-1))
		cov += w * g.Cov
		varX += w * g.VarX
		n += float64(g.N)
		sum += float64(g.N) * g.MeanX
	}
	if varX > 0 {
		theta = cov / varX
	}
	for _, g := range groups {
		s := g.Y()
		if theta != 0 {
			s.Mean -= theta * (g.MeanX - sum/n)
			s.Var = max(0, g.VarY-2*theta*g.Cov+theta*theta*g.VarX)
		}
		adjusted = append(adjusted, s)
	}
	return theta, adjusted
}

// Explained is the share of Y's variance inside of the groups that CUPED takes
// out: the square of the correlation of X and Y.
func Explained(groups []Pair) float64 {
	var cov, varX, varY float64
	for _, g := range groups {
		w := max(0, float64(g.N-1))
		cov += w * g.Cov
		varX += w * g.VarX
		varY += w * g.VarY
	}
	if varX == 0 || varY == 0 {
		return 0
	}
	return cov * cov / (varX * varY)
}
