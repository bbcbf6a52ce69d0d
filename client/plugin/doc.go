// Package plugin implements `kubectl rollcall`: its commands, its connection to a master and
// its output.
//
// Kubernetes' own printers print tables, JSON, YAML, names, custom columns and templates.
// For these each row is an object of apiVersion rollcall.dev/v1 with metadata.name,
// metadata.namespace, the name of the cluster in the field cluster, and the row as in the
// HTTP API in the field status.
//
// The package uses package client and Kubernetes' clients, and no package of the master.
package plugin
