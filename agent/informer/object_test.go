package informer

import (
	"reflect"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/agent/informer/slimpb"
)

// TestSlimMessagesAreSubsetsOfKubernetes compares every field of the slim messages with the field of Kubernetes' own
// type that has the same number.
func TestSlimMessagesAreSubsetsOfKubernetes(t *testing.T) {
	for _, c := range []struct {
		slim  proto.Message
		whole any
	}{
		{&slimpb.Node{}, corev1.Node{}},
		{&slimpb.Pod{}, corev1.Pod{}},
		{&slimpb.Service{}, corev1.Service{}},
		{&slimpb.EndpointSlice{}, discoveryv1.EndpointSlice{}},
		{&slimpb.PersistentVolumeClaim{}, corev1.PersistentVolumeClaim{}},
		{&slimpb.List{}, corev1.PodList{}},
	} {
		compareFields(t, c.slim.ProtoReflect().Descriptor(), reflect.TypeOf(c.whole))
	}
}

// compareFields compares the fields of a message, recursively.
func compareFields(t *testing.T, slim protoreflect.MessageDescriptor, whole reflect.Type) {
	t.Helper()
	for i := range slim.Fields().Len() {
		field := slim.Fields().Get(i)
		own, ok := fieldOf(whole, int(field.Number()))
		if !ok || !strings.EqualFold(strings.ReplaceAll(string(field.Name()), "_", ""), own.Name) {
			t.Errorf("%s = %d: got field %q in %s, want the same name", field.FullName(), field.Number(), own.Name, whole)
			continue
		}
		if part := elem(own.Type); field.Message() != nil && part.Kind() == reflect.Struct && !opaque[part] {
			compareFields(t, field.Message(), part)
		}
	}
}

// opaque lists types that encode themselves.
var opaque = map[reflect.Type]bool{reflect.TypeFor[metav1.Time](): true}

// fieldOf returns the field with a protobuf number.
func fieldOf(whole reflect.Type, number int) (reflect.StructField, bool) {
	for i := range whole.NumField() {
		f := whole.Field(i)
		parts := strings.Split(f.Tag.Get("protobuf"), ",")
		if len(parts) > 1 && parts[1] == strconv.Itoa(number) {
			for _, p := range parts {
				if name, ok := strings.CutPrefix(p, "name="); ok {
					f.Name = name
				}
			}
			return f, true
		}
	}
	return reflect.StructField{}, false
}

// elem returns the element type of pointers and slices.
func elem(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t
}

// TestListUnmarshal tests lists of API servers that cannot stream them.
func TestListUnmarshal(t *testing.T) {
	whole := &corev1.PodList{
		ListMeta: metav1.ListMeta{ResourceVersion: "7", Continue: "next"},
		Items:    []corev1.Pod{*testPod("web-1", "n1"), *testPod("web-2", "n1")},
	}
	got := convert(whole, &podList{})
	if got.ResourceVersion != "7" || got.Continue != "next" || len(got.Items) != 2 || got.Items[1].Name != "web-2" {
		t.Errorf("got %+v, want version 7, continue next and two items", got)
	}
}

func TestObjectHasMetadataForReflectors(t *testing.T) {
	whole := testPod("web-1", "n1")
	whole.ResourceVersion, whole.Annotations = "7", map[string]string{metav1.InitialEventsAnnotationKey: "true", "other": "x"}
	got := convert(whole, &podObject{})
	if got.Namespace != "default" || got.Name != "web-1" || got.ResourceVersion != "7" || len(got.Annotations) != 1 || got.Annotations[metav1.InitialEventsAnnotationKey] != "true" {
		t.Errorf("got %+v, want namespace, name, version and the bookmark annotation", got.ObjectMeta)
	}
	if c := got.DeepCopyObject().(*podObject); c.Name != got.Name || c.Slim == got.Slim || !proto.Equal(c.Slim, got.Slim) {
		t.Errorf("got copy %+v, want an equal object with its own message", c)
	}
	if err := got.Unmarshal([]byte{0xff}); err == nil {
		t.Error("Unmarshal of garbage: got nil, want an error")
	}
}
