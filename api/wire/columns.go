package wire

import "slices"

// rows moves the objects of one table, one after another, between their fields and
// the table's columns: from fields to columns where the tables are written, from
// columns to fields where they are read. Each of its methods moves one field. Which
// column is which is told by the order of the calls, the same for all objects of the
// table.
type rows struct {
	*tables
	columns []column
	next    int
	// amends: the rows are of objects that the reader holds, and leave out what is as it
	// is held; see amend.go.
	amends bool
	// same says of each column whether it is, where such a row is written.
	same []bool
	// hint is about how many rows there will be, 0 for few.
	hint int
	// listing is within the elements of a list, which is left out as a whole or not at all.
	listing bool
}

// column is where one column stands.
type column struct {
	values *[]int64
	// last is the value of the object before.
	last int64
	// taken is how many values were read.
	taken int
	// whole columns are not cut: they say how many rows there are.
	whole bool
	rows  int
	// apart columns have no differences between rows, as 0 says that the value is held.
	apart bool
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
	if *values == nil && r.hint > 0 && !r.listing {
		*values = make([]int64, 0, r.hint)
	}
	return c
}

// field is the next column, or nil where the field is as it is held.
func (r *rows) field(values *[]int64) *column {
	c := r.column(values)
	if !r.amends || r.listing {
		return c
	}
	c.apart = true
	switch {
	case r.writing && r.same[r.next-1]:
		*values = append(*values, 0)
		return nil
	case !r.writing && at(*values, c.taken) == 0:
		c.taken++
		return nil
	}
	return c
}

func (c *column) write(n int64) {
	if !c.apart {
		*c.values = append(*c.values, n-c.last)
		c.last = n
		return
	}
	if n >= 0 {
		n++
	}
	*c.values = append(*c.values, n)
}

func (c *column) read() int64 {
	n := at(*c.values, c.taken)
	c.taken++
	if !c.apart {
		c.last += n
		return c.last
	}
	if n > 0 {
		n--
	}
	return n
}

// whole moves a number by a column that is not cut.
func (r *rows) whole(values *[]int64, n *int64) {
	c := r.column(values)
	c.whole = true
	if r.writing {
		c.write(*n)
		return
	}
	*n = c.read()
	if c.rows++; c.rows > len(*values) {
		r.fail("more rows than the %d that came", len(*values))
	}
}

// cut shortens all columns that go on as they were.
func (r *rows) cut() {
	for _, c := range r.columns {
		if c.values != nil && !c.whole {
			*c.values = trim(*c.values)
		}
	}
}

// number moves a field of any integer type; what is read must be within lowest and
// highest.
func number[N ~int32 | ~int64 | ~uint16 | ~uint32](r *rows, values *[]int64, field *N, lowest, highest int64) {
	switch c := r.field(values); {
	case c == nil:
	case r.writing:
		c.write(int64(*field))
	default:
		n := c.read()
		if n < lowest || n > highest {
			r.fail("%d is not between %d and %d", n, lowest, highest)
			n = 0
		}
		*field = N(n)
	}
}

// enum moves a field of a list of values. One of a newer peer's list is the
// unknown one, which is zero.
func enum[E ~uint8](r *rows, values *[]int64, field *E, last E) {
	switch c := r.field(values); {
	case c == nil:
	case r.writing:
		c.write(int64(*field))
	default:
		n := c.read()
		*field = 0
		if n >= 0 && n <= int64(last) {
			*field = E(n)
		}
	}
}

// flag says whether the field was moved: it is not where it is as it is held.
func (r *rows) flag(values *[]int64, field *bool) (moved bool) {
	c := r.field(values)
	switch {
	case c == nil:
	case !r.writing:
		*field = c.read() != 0
	case *field:
		c.write(1)
	default:
		c.write(0)
	}
	return c != nil
}

// list moves a list, each element by width columns of which the first is whole. It
// says whether the list was moved, as flag does.
func list[T any](r *rows, count, first *[]int64, field *[]T, width int, element func(*T)) (moved bool) {
	if r.writing && r.amends {
		r.same[r.next] = !slices.Contains(r.same[r.next:r.next+1+width], false)
	}
	c, n := r.field(count), int64(len(*field))
	start := r.next
	r.next += width
	switch {
	case c == nil:
		return false
	case r.writing:
		c.write(n)
	default:
		n = c.read()
	}
	r.next = start
	n = r.come(r.column(first), n)
	r.listed += int(n)
	if !r.writing {
		*field = append([]T(nil), make([]T, n)...) // nil for none
	}
	r.listing = true
	for i := range *field {
		r.next = start
		element(&(*field)[i])
	}
	r.listing = false
	r.next = start + width
	return true
}

// come is how many elements of a list there are to move: as many as are claimed, if
// they came and are not too many.
func (r *rows) come(first *column, claimed int64) int64 {
	first.whole = true
	left := int64(len(*first.values) - first.taken)
	switch {
	case r.writing:
	case claimed < 0 || claimed > left:
		r.fail("a list of %d elements, of which %d came", claimed, left)
		return 0
	case claimed > maxMessageElements-int64(r.listed):
		r.fail("lists of more than %d elements", maxMessageElements)
		return 0
	}
	return claimed
}

// optional moves what may be missing, as a list of one element or none.
func optional[T any](r *rows, count, first *[]int64, field **T, width int, element func(*T)) {
	var one []T
	if r.writing && *field != nil {
		one = []T{**field}
	}
	if moved := list(r, count, first, &one, width, element); !moved || r.writing {
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
