// Package v1 declares the JSON of version 1 of the master's HTTP API: the documents, rows, events
// and errors below /api/v1/. The master encodes these types, package client decodes them, and the
// OpenAPI document is generated from them. The rows themselves are those of package state.
//
// Times are in UTC with whole milliseconds. Amounts are in millicores, bytes and counts. Clients
// must ignore unknown fields, and accept unknown values of strings.
package v1
