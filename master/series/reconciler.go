package series

// Reconciler finds out which series of a cluster go on and which end, when its objects have changed. The series and the
// objects have to be in the key order of a State, nodes before containers.
type Reconciler struct {
	// Len is the number of series, Object returns the object of one of them.
	Len    int
	Object func(i int) Object
	// Ended is called with each series whose object does not exist any more.
	Ended func(i int)

	next int // the first series that was not compared yet
}

// Find returns the series of an object that exists, and false if it has none. The series that it passes have ended: no
// later object can be theirs. A container that has moved to another node has another series.
func (r *Reconciler) Find(object Object) (i int, ok bool) {
	for r.next < r.Len {
		i, known := r.next, r.Object(r.next)
		order := known.compareKey(object)
		if order > 0 {
			break
		}
		r.next++
		if order == 0 && known.Node == object.Node {
			return i, true
		}
		r.Ended(i)
	}
	return 0, false
}

// Finish ends the series that no object was found for.
func (r *Reconciler) Finish() {
	for ; r.next < r.Len; r.next++ {
		r.Ended(r.next)
	}
}
