package wire

// rows moves the objects of one table, one after another, between their fields and
// the table's columns: from fields to columns where the tables are written, from
// columns to fields where they are read. Each of its methods moves one field, and gives
// what the field is then. Which column is which is told by the order of the calls, the
// same for all objects of the table.
type rows struct {
	*tables
	columns []column
	next    int
}

// column is where one column stands.
type column struct {
	values *[]int64
	// last is the value of the object before.
	last int64
	// read is how many values were read.
	read int
	// whole columns are not cut: they say how many rows there are.
	whole bool
	rows  int
}

// begin is called before the first field of each object.
func (r *rows) begin() { r.next = 0 }

// column is the next one.
func (r *rows) column(values *[]int64) *column {
	for len(r.columns) <= r.next {
		r.columns = append(r.columns, column{})
	}
	c := &r.columns[r.next]
	c.values = values
	r.next++
	return c
}

// number moves a number as it is.
func (r *rows) number(values *[]int64, n int64) int64 {
	c := r.column(values)
	switch {
	case r.writing:
		*values = append(*values, n-c.last)
		c.last = n
	case c.read < len(*values):
		c.last += (*values)[c.read]
		c.read++
	}
	return c.last
}

// whole is number of a column that is not cut.
func (r *rows) whole(values *[]int64, n int64) int64 {
	n = r.number(values, n)
	c := &r.columns[r.next-1]
	c.whole = true
	if c.rows++; c.rows > len(*values) {
		r.fail("more rows than the %d that came", len(*values))
	}
	return n
}

// cut shortens all columns that go on as they were.
func (r *rows) cut() {
	for _, c := range r.columns {
		if c.values == nil || c.whole {
			continue
		}
		end := len(*c.values)
		for end > 0 && (*c.values)[end-1] == 0 {
			end--
		}
		*c.values = (*c.values)[:end]
	}
}

// number moves a field of any integer type; what is read must be within lowest and
// highest.
func number[N ~int32 | ~int64 | ~uint16 | ~uint32](r *rows, values *[]int64, field *N, lowest, highest int64) {
	n := r.number(values, int64(*field))
	if r.writing {
		return
	}
	if n < lowest || n > highest {
		r.fail("%d is not between %d and %d", n, lowest, highest)
		n = 0
	}
	*field = N(n)
}

// enum moves a field of a list of values. One of a newer peer's list is the
// unknown one, which is zero.
func enum[E ~uint8](r *rows, values *[]int64, field *E, last E) {
	n := r.number(values, int64(*field))
	if r.writing {
		return
	}
	*field = 0
	if n >= 0 && n <= int64(last) {
		*field = E(n)
	}
}

func (r *rows) flag(values *[]int64, field *bool) {
	var n int64
	if *field {
		n = 1
	}
	n = r.number(values, n)
	if !r.writing {
		*field = n != 0
	}
}

// list moves a list, each element by width columns of which the first is whole.
func list[T any](r *rows, count, first *[]int64, field *[]T, width int, element func(*T)) {
	n := r.number(count, int64(len(*field)))
	start := r.next
	c := r.column(first)
	c.whole = true
	if !r.writing {
		*field = nil
		if left := int64(len(*first) - c.read); n < 0 || n > left {
			r.fail("a list of %d elements, of which %d came", n, left)
			n = 0
		}
		if n > 0 {
			*field = make([]T, n)
		}
	}
	for i := range *field {
		r.next = start
		element(&(*field)[i])
	}
	r.next = start + width
}

// optional moves what may be missing, as a list of one element or none.
func optional[T any](r *rows, count, first *[]int64, field **T, width int, element func(*T)) {
	var one []T
	if r.writing && *field != nil {
		one = []T{**field}
	}
	list(r, count, first, &one, width, element)
	if r.writing {
		return
	}
	*field = nil
	switch {
	case len(one) == 1:
		*field = &one[0]
	case len(one) > 1:
		r.fail("%d where there is one at most", len(one))
	}
}
