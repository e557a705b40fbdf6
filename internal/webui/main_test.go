package webui_test

import (
	"os"
	"testing"

	"github.com/tributary-data/tributary/internal/browsertest"
)

func TestMain(m *testing.M) { os.Exit(browsertest.Main(m)) }
