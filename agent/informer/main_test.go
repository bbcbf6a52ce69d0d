package informer

import (
	"testing"

	utilruntime "k8s.io/apimachinery/pkg/util/runtime"

	"go.uber.org/goleak"

	"rollcall.dev/rollcall/test/kube"
)

// TestMain drops client-go's second error handler: it slows a process's errors down
// to one a millisecond by the clock, of which each test in virtual time has its own.
func TestMain(m *testing.M) {
	utilruntime.ErrorHandlers = utilruntime.ErrorHandlers[:1]
	goleak.VerifyTestMain(kube.Main(m))
}
