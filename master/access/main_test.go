package access

import (
	"os"
	"testing"

	"github.com/go-logr/logr"
	"go.uber.org/goleak"
	"k8s.io/klog/v2"

	"rollcall.dev/rollcall/test/kube"
)

// hubDir is the directory of the shared hub, which contains its keys.
var hubDir string

func TestMain(m *testing.M) {
	klog.SetLogger(logr.Discard())
	dir, err := os.MkdirTemp("", "rollcall-access-")
	if err != nil {
		panic(err)
	}
	hubDir = dir
	goleak.VerifyTestMain(testsWithCleanup{kube.Main(m)})
}

// testsWithCleanup removes hubDir after the tests.
type testsWithCleanup struct{ *kube.Tests }

func (c testsWithCleanup) Run() int {
	defer func() { _ = os.RemoveAll(hubDir) }()
	return c.Tests.Run()
}
