package columnar

import "slices"

// tableCodec converts the objects of one table between their fields and the table's columns.
// Each method converts one field: from the field to its column when writing, from the column to
// the field when reading. The order of the calls identifies the columns, so it has to be the same
// for all objects of a table.
type tableCodec struct {
	*tables
	columns []column
	next    int
	// patching is set if the rows patch objects that the receiver holds. Such rows leave out
	// unchanged fields; see patch.go.
	patching bool
	// unchanged reports for each column whether its field is unchanged, when a patch is written.
	unchanged []bool
	// capacity is the expected number of rows, 0 if it is unknown or small.
	capacity int
	// insideList is set while list elements are converted. A list is left out only as a whole.
	insideList bool
}

// column is the position in one column.
type column struct {
	values *[]int64
	// last is the previous row's value.
	last int64
	// pos is the number of values read.
	pos int
	// complete is set for columns whose trailing zeros are kept, as their length is the number of
	// rows or list elements. rows is the number of rows read from such a column.
	complete bool
	rows     int
	// absolute is set for columns of patches: their values are not differences between rows, and
	// 0 means unchanged.
	absolute bool
}

// startRow is called before the first field of each object.
func (r *tableCodec) startRow() { r.next = 0 }

// column returns the next column.
func (r *tableCodec) column(values *[]int64) *column {
	for len(r.columns) <= r.next {
		r.columns = append(r.columns, column{})
	}
	c := &r.columns[r.next]
	c.values = values
	r.next++
	if *values == nil && r.capacity > 0 && !r.insideList {
		*values = make([]int64, 0, r.capacity)
	}
	return c
}

// field returns the next column, or nil if a patch leaves the field unchanged.
func (r *tableCodec) field(values *[]int64) *column {
	c := r.column(values)
	if !r.patching || r.insideList {
		return c
	}
	c.absolute = true
	switch {
	case r.writing && r.unchanged[r.next-1]:
		*values = append(*values, 0)
		return nil
	case !r.writing && At(*values, c.pos) == 0:
		c.pos++
		return nil
	}
	return c
}

func (c *column) write(n int64) {
	if !c.absolute {
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
	n := At(*c.values, c.pos)
	c.pos++
	if !c.absolute {
		c.last += n
		return c.last
	}
	if n > 0 {
		n--
	}
	return n
}

// completeColumn converts a number in a complete column.
func (r *tableCodec) completeColumn(values *[]int64, n *int64) {
	c := r.column(values)
	c.complete = true
	if r.writing {
		c.write(*n)
		return
	}
	*n = c.read()
	if c.rows++; c.rows > len(*values) {
		r.fail("more rows than the %d in the column", len(*values))
	}
}

// trimColumns removes trailing zeros from all columns except the complete ones.
func (r *tableCodec) trimColumns() {
	for _, c := range r.columns {
		if c.values != nil && !c.complete {
			*c.values = Trim(*c.values)
		}
	}
}

// number converts a field of any integer type. Reading fails if the value is not between lowest
// and highest.
func number[N ~int32 | ~int64 | ~uint16 | ~uint32](r *tableCodec, values *[]int64, field *N, lowest, highest int64) {
	switch c := r.field(values); {
	case c == nil:
	case r.writing:
		c.write(int64(*field))
	default:
		n := c.read()
		if n < lowest || n > highest {
			r.fail("value %d is not between %d and %d", n, lowest, highest)
			n = 0
		}
		*field = N(n)
	}
}

// enum converts an enum field. A value above last comes from a newer peer and is read as zero,
// which means unknown.
func enum[E ~uint8](r *tableCodec, values *[]int64, field *E, last E) {
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

// flag converts a boolean. It returns false if a patch leaves the field unchanged.
func (r *tableCodec) flag(values *[]int64, field *bool) (converted bool) {
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

// not converts a boolean whose column has the opposite.
func (r *tableCodec) not(values *[]int64, field *bool) {
	opposite := !*field
	if r.flag(values, &opposite) && !r.writing {
		*field = !opposite
	}
}

// list converts a list whose elements have width columns each; the first of these is complete. It
// returns false if a patch leaves the list unchanged.
func list[T any](r *tableCodec, count, first *[]int64, field *[]T, width int, element func(*T)) (converted bool) {
	if r.writing && r.patching {
		r.unchanged[r.next] = !slices.Contains(r.unchanged[r.next:r.next+1+width], false)
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
	n = r.listLen(r.column(first), n)
	r.listElements += int(n)
	if !r.writing {
		*field = append([]T(nil), make([]T, n)...) // nil for none
	}
	r.insideList = true
	for i := range *field {
		r.next = start
		element(&(*field)[i])
	}
	r.insideList = false
	r.next = start + width
	return true
}

// listLen returns the number of list elements to convert. When reading, it fails if the column has
// fewer elements than the peer claims, or if there are too many.
func (r *tableCodec) listLen(first *column, claimed int64) int64 {
	first.complete = true
	left := int64(len(*first.values) - first.pos)
	switch {
	case r.writing:
	case claimed < 0 || claimed > left:
		r.fail("list of %d elements, but the column has %d", claimed, left)
		return 0
	case claimed > MaxElements-int64(r.listElements):
		r.fail("lists have more than %d elements", MaxElements)
		return 0
	}
	return claimed
}

// optional converts a field that may be missing, as a list of at most one element.
func optional[T any](r *tableCodec, count, first *[]int64, field **T, width int, element func(*T)) {
	var one []T
	if r.writing && *field != nil {
		one = []T{**field}
	}
	if converted := list(r, count, first, &one, width, element); !converted || r.writing {
		return
	}
	*field = nil
	switch {
	case len(one) == 1:
		*field = &one[0]
	case len(one) > 1:
		r.fail("%d elements where at most one is allowed", len(one))
	}
}

// At returns a value of a column, or 0 after its end.
func At[N int64 | uint16](column []N, i int) N {
	if i < len(column) {
		return column[i]
	}
	return 0
}

// Trim returns the column without trailing zeros.
func Trim(column []int64) []int64 {
	end := len(column)
	for end > 0 && column[end-1] == 0 {
		end--
	}
	return slices.Clip(column[:end])
}
