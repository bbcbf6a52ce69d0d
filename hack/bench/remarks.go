package main

// remarks are written by hand, by the ID of the row that they are about: what was tried
// where a goal is not reached, and what stands in the way. They survive every run.
var remarks = map[string]string{}
