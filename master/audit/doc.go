// Package audit writes the audit log of a master: a line of JSON for each request, which says who asked for
// what, from where, and with which result. It has no knowledge of HTTP; package httpapi makes the events.
//
// Writing never blocks a request. Events wait in a queue of limited length, and are counted as lost if it is
// full or if they cannot be written.
//
// A file is opened for appending and with mode 0600. Its path is checked again while lines are written, so
// that logrotate needs no signal: after it has renamed the file, a new one is created, and after it has
// truncated the file (copytruncate), lines continue at its start.
package audit
