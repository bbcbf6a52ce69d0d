package view

import "rollcall.dev/rollcall/api/state"

// port writes a state.PortView.
func (w *jsonWriter) port(p *state.Port, targets []*state.Target, conflicts []state.PortKey) {
	object := w.begin()
	w.string("node", p.Node)
	w.optString("address", p.Address)
	w.string("protocol", p.Protocol.String())
	w.int("port", int64(p.Port))
	w.string("kind", p.Kind.String())
	w.optString("namespace", p.Namespace)
	w.optString("service", p.Service)
	if p.ServicePort != nil {
		w.field("servicePort")
		object := w.begin()
		w.optString("name", p.ServicePort.Name)
		w.int("port", int64(p.ServicePort.Port))
		w.close(object, "{}")
	}
	w.optString("pod", p.Pod)
	w.optString("externalTrafficPolicy", p.ExternalTrafficPolicy.String())
	w.field("targets")
	list := w.begin()
	for _, one := range targets {
		w.element()
		w.target(one)
	}
	w.close(list, "[]")
	w.conflicts(conflicts)
	w.close(object, "{}")
}

func (w *jsonWriter) target(to *state.Target) {
	object := w.begin()
	w.strings("addresses", to.Addresses)
	w.optString("namespace", to.Namespace)
	w.optString("pod", to.Pod)
	w.optString("container", to.Container)
	if to.ContainerPort != 0 {
		w.int("containerPort", int64(to.ContainerPort))
	}
	w.optString("node", to.Node)
	w.bool("ready", to.Ready)
	w.bool("serving", to.Serving)
	w.optBool("terminating", to.Terminating)
	w.close(object, "{}")
}

func (w *jsonWriter) conflicts(all []state.PortKey) {
	objectList(w, "conflicts", all, func(k *state.PortKey) {
		w.string("node", k.Node)
		w.optString("address", k.Address)
		w.string("protocol", k.Protocol.String())
		w.int("port", int64(k.Port))
		w.string("kind", k.Kind.String())
		w.optString("namespace", k.Namespace)
		w.optString("service", k.Service)
		w.optString("pod", k.Pod)
	})
}
