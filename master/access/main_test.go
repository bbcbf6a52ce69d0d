package access

import (
	"os"
	"testing"

	"github.com/go-logr/logr"
	"go.uber.org/goleak"
	"k8s.io/klog/v2"

	"rollcall.dev/rollcall/test/kube"
)

// hubDir is the folder of the shared hub, for what a test needs of its keys.
var hubDir string

func TestMain(m *testing.M) {
	klog.SetLogger(logr.Discard())
	dir, err := os.MkdirTemp("", "rollcall-access-")
	if err != nil {
		panic(err)
	}
	hubDir = dir
	goleak.VerifyTestMain(cleaned{kube.Main(m)})
}

// cleaned are tests after which the hub's folder is removed.
type cleaned struct{ *kube.Tests }

func (c cleaned) Run() int {
	defer func() { _ = os.RemoveAll(hubDir) }()
	return c.Tests.Run()
}
