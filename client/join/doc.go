// Package join connects member clusters with a hub: it installs the agent in a member, registers the member on the hub,
// and checks that the master gets answers. It also checks, repairs and removes what it has installed. Package plugin
// has the commands.
//
// Join, Leave and the others are lists of steps. Each step checks or changes one thing, and prints what it has found. A
// step that fails prints the cause and what to do about it, and what this run has created is removed. Each step can be
// repeated: objects are applied by server-side apply with the field manager FieldManager.
package join
