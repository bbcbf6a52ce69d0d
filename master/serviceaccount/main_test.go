package serviceaccount

import (
	"testing"

	"go.uber.org/goleak"

	"rollcall.dev/rollcall/test/kube"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(kube.Main(m)) }
