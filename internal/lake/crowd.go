package lake

// DeleteFiles returns how many delete files the lane's dataset has.
func (l *Lane) DeleteFiles() int { return int(l.data.DeleteFiles()) }
