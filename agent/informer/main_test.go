package informer

import (
	"testing"

	utilruntime "k8s.io/apimachinery/pkg/util/runtime"

	"go.uber.org/goleak"

	"rollcall.dev/rollcall/test/kube"
)

// TestMain removes client-go's second error handler. It limits the errors of the process to one per millisecond,
// which does not work with the clocks of synctest bubbles.
func TestMain(m *testing.M) {
	utilruntime.ErrorHandlers = utilruntime.ErrorHandlers[:1]
	goleak.VerifyTestMain(kube.Main(m))
}
