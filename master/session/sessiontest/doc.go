// Package sessiontest has fakes for tests of what uses package session: a Registry in memory, and Sessions whose reports
// and statuses a test sets.
package sessiontest
