package informer

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"rollcall.dev/rollcall/agent/informer/slimpb"
)

// message is the slim message of a watched kind.
type message[M any] interface {
	*M
	proto.Message
	GetMetadata() *slimpb.ObjectMeta
}

// object is a Kubernetes object that consists of its slim message and the metadata that a reflector
// needs. It implements runtime.Object for client-go and decodes itself from protobuf.
type object[M any, P message[M]] struct {
	metav1.TypeMeta
	metav1.ObjectMeta
	Slim *M
}

// Reset implements the interface by which apimachinery's serializer decodes protobuf.
func (o *object[M, P]) Reset() { *o = object[M, P]{} }

// Unmarshal decodes an object and skips fields that are not in the slim message.
func (o *object[M, P]) Unmarshal(data []byte) error {
	slim := P(new(M))
	if err := unmarshal(data, slim); err != nil {
		return err
	}
	meta := slim.GetMetadata()
	o.Slim = slim
	o.ObjectMeta = metav1.ObjectMeta{
		Name: meta.GetName(), Namespace: meta.GetNamespace(), ResourceVersion: meta.GetResourceVersion(),
		Annotations: bookmarkOf(meta),
	}
	return nil
}

// bookmarkOf returns the annotation that marks the end of a streamed list, or nil if the object does not have
// it.
func bookmarkOf(meta *slimpb.ObjectMeta) map[string]string {
	for _, a := range meta.GetAnnotations() {
		if a.GetKey() == metav1.InitialEventsAnnotationKey {
			return map[string]string{a.GetKey(): a.GetValue()}
		}
	}
	return nil
}

// DeepCopyObject implements runtime.Object.
func (o *object[M, P]) DeepCopyObject() runtime.Object {
	c := &object[M, P]{TypeMeta: o.TypeMeta, Slim: o.Slim}
	o.ObjectMeta.DeepCopyInto(&c.ObjectMeta)
	if o.Slim != nil {
		c.Slim = proto.Clone(P(o.Slim)).(P)
	}
	return c
}

// list is a list of objects, used with API servers that cannot stream lists.
type list[M any, P message[M]] struct {
	metav1.TypeMeta
	metav1.ListMeta
	Items []object[M, P]
}

// Reset implements the interface by which apimachinery's serializer decodes protobuf.
func (l *list[M, P]) Reset() { *l = list[M, P]{} }

// Unmarshal decodes a list.
func (l *list[M, P]) Unmarshal(data []byte) error {
	var slim slimpb.List
	if err := unmarshal(data, &slim); err != nil {
		return err
	}
	l.ListMeta = metav1.ListMeta{ResourceVersion: slim.GetMetadata().GetResourceVersion(), Continue: slim.GetMetadata().GetContinue()}
	l.Items = make([]object[M, P], len(slim.GetItems()))
	for i, item := range slim.GetItems() {
		if err := l.Items[i].Unmarshal(item); err != nil {
			return err
		}
	}
	return nil
}

// DeepCopyObject implements runtime.Object.
func (l *list[M, P]) DeepCopyObject() runtime.Object {
	c := &list[M, P]{TypeMeta: l.TypeMeta, Items: make([]object[M, P], len(l.Items))}
	l.ListMeta.DeepCopyInto(&c.ListMeta)
	for i := range l.Items {
		c.Items[i] = *l.Items[i].DeepCopyObject().(*object[M, P])
	}
	return c
}

// unmarshal decodes a slim message and skips unknown fields.
func unmarshal(data []byte, into proto.Message) error {
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, into); err != nil {
		return fmt.Errorf("decode a %s: %w", into.ProtoReflect().Descriptor().Name(), err)
	}
	return nil
}

// The watched kinds.
type (
	nodeObject    = object[slimpb.Node, *slimpb.Node]
	podObject     = object[slimpb.Pod, *slimpb.Pod]
	serviceObject = object[slimpb.Service, *slimpb.Service]
	sliceObject   = object[slimpb.EndpointSlice, *slimpb.EndpointSlice]
	claimObject   = object[slimpb.PersistentVolumeClaim, *slimpb.PersistentVolumeClaim]
	volumeObject  = object[slimpb.PersistentVolume, *slimpb.PersistentVolume]

	nodeList    = list[slimpb.Node, *slimpb.Node]
	podList     = list[slimpb.Pod, *slimpb.Pod]
	serviceList = list[slimpb.Service, *slimpb.Service]
	sliceList   = list[slimpb.EndpointSlice, *slimpb.EndpointSlice]
	claimList   = list[slimpb.PersistentVolumeClaim, *slimpb.PersistentVolumeClaim]
	volumeList  = list[slimpb.PersistentVolume, *slimpb.PersistentVolume]
)
