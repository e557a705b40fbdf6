package main

import (
	"os"

	"github.com/tributary-data/tributary/internal/sqlworker"
)

// sqlWorkerCmd is what serve starts to answer queries, and nobody else.
type sqlWorkerCmd struct{}

// Run answers queries until standard input ends.
func (sqlWorkerCmd) Run() error {
	if status := sqlworker.Main(); status != 0 {
		return exit(status)
	}
	return nil
}

// queryCommand returns the command that starts this program for queries.
func queryCommand() ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return []string{self, "sql-worker"}, nil
}
