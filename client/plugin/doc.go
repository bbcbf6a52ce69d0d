// Package plugin is `kubectl rollcall`: its commands, how it reaches a master, and how
// rows are printed.
//
// Tables, JSON, YAML, names, custom columns and templates are printed by Kubernetes'
// own printers. For these each row is an object of apiVersion rollcall.dev/v1, with
// metadata.name and metadata.namespace, the name of its cluster in cluster, and the
// row as the HTTP API shows it in status.
//
// The package knows package client and Kubernetes' clients, and nothing of the master.
package plugin
