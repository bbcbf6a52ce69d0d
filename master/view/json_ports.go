package view

import "rollcall.dev/rollcall/api/state"

// port is a state.PortView.
func (t *text) port(p *state.Port, targets []*state.Target, conflicts []state.PortKey) {
	object := t.open()
	t.string("node", p.Node)
	t.given("address", p.Address)
	t.string("protocol", p.Protocol.String())
	t.int("port", int64(p.Port))
	t.string("kind", p.Kind.String())
	t.given("namespace", p.Namespace)
	t.given("service", p.Service)
	if p.ServicePort != nil {
		t.field("servicePort")
		object := t.open()
		t.given("name", p.ServicePort.Name)
		t.int("port", int64(p.ServicePort.Port))
		t.end(object, "{}")
	}
	t.given("pod", p.Pod)
	t.given("externalTrafficPolicy", p.ExternalTrafficPolicy.String())
	t.field("targets")
	list := t.open()
	for _, one := range targets {
		t.element()
		t.target(one)
	}
	t.end(list, "[]")
	t.conflicts(conflicts)
	t.end(object, "{}")
}

func (t *text) target(to *state.Target) {
	object := t.open()
	t.strings("addresses", to.Addresses)
	t.given("namespace", to.Namespace)
	t.given("pod", to.Pod)
	t.given("container", to.Container)
	if to.ContainerPort != 0 {
		t.int("containerPort", int64(to.ContainerPort))
	}
	t.given("node", to.Node)
	t.bool("ready", to.Ready)
	t.bool("serving", to.Serving)
	t.flag("terminating", to.Terminating)
	t.end(object, "{}")
}

func (t *text) conflicts(all []state.PortKey) {
	objects(t, "conflicts", all, func(k *state.PortKey) {
		t.string("node", k.Node)
		t.given("address", k.Address)
		t.string("protocol", k.Protocol.String())
		t.int("port", int64(k.Port))
		t.string("kind", k.Kind.String())
		t.given("namespace", k.Namespace)
		t.given("service", k.Service)
		t.given("pod", k.Pod)
	})
}
