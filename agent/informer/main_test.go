package informer

import (
	"testing"

	utilruntime "k8s.io/apimachinery/pkg/util/runtime"

	"go.uber.org/goleak"

	"rollcall.dev/rollcall/test/kube"
)

// TestMain removes client-go's second error handler, which limits a process's errors to one
// a millisecond by the clock; synctest bubbles have clocks of their own.
func TestMain(m *testing.M) {
	utilruntime.ErrorHandlers = utilruntime.ErrorHandlers[:1]
	goleak.VerifyTestMain(kube.Main(m))
}
