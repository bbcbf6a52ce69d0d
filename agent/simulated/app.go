package simulated

import "rollcall.dev/rollcall/api/state"

// App is an application, of which all pods have the same containers.
type App struct {
	Namespace, Name string
	Containers      []Template
	// Port is the port of its pods, 0 for none.
	Port uint16
	// NodePort is the port of its NodePort Service, 0 for none.
	NodePort uint16
}

// Template is a container of an App.
type Template struct {
	Name, Image, ImageID string
	Kind                 state.ContainerKind
	Requests, Limits     state.Resources
}

// Shop returns the applications of an online shop.
func Shop() []App {
	const registry = "registry.example.com/"
	main := func(image string, cpuMillis, mib int64) Template {
		return container(registry+image, state.Main, cpuMillis, mib)
	}
	proxy := container(registry+"mesh/proxy:1.29.2", state.Sidecar, 50, 64)
	app := func(namespace, name string, port, nodePort uint16, containers ...Template) App {
		containers[0].Name = name
		return App{Namespace: namespace, Name: name, Port: port, NodePort: nodePort, Containers: containers}
	}
	return []App{
		app("shop", "web", 8080, 30080, main("shop/web:4.12.0", 250, 256), proxy),
		app("shop", "cart", 8080, 0, main("shop/cart:2.7.1", 200, 384), proxy),
		app("shop", "search", 9200, 0, main("shop/search:1.30.4", 900, 2048)),
		app("shop", "recommendations", 8080, 0, main("shop/recommendations:0.19.3", 400, 768), proxy),
		app("payments", "gateway", 8443, 30443, main("payments/gateway:7.3.0", 500, 512), proxy),
		app("payments", "ledger", 5432, 0, main("payments/ledger:3.0.2", 800, 3072)),
		app("payments", "fraud-check", 8080, 0, main("payments/fraud-check:1.8.0", 600, 1024)),
		app("media", "thumbnailer", 0, 0, main("media/thumbnailer:5.1.0", 700, 768)),
		app("media", "transcoder", 0, 0, main("media/transcoder:5.1.0", 1500, 2048)),
		app("orders", "api", 8080, 30090, main("orders/api:11.4.2", 300, 512), proxy),
		app("orders", "importer", 0, 0, main("orders/importer:11.4.2", 150, 256)),
		app("monitoring", "prometheus", 9090, 30900, main("monitoring/prometheus:3.9.1", 1000, 4096)),
		app("monitoring", "grafana", 3000, 0, main("monitoring/grafana:13.0.1", 200, 256)),
		app("kube-system", "coredns", 53, 0, main("kubernetes/coredns:1.13.1", 100, 128)),
	}
}

// container returns a Template whose memory limit is twice its request.
func container(image string, kind state.ContainerKind, cpuMillis, mib int64) Template {
	return Template{
		Name: "proxy", Image: image, Kind: kind,
		Requests: state.Resources{CPUMillis: cpuMillis, MemoryBytes: mib << 20},
		Limits:   state.Resources{MemoryBytes: mib << 21},
	}
}
