package prom

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"strings"
)

const (
	// maxRegexp limits the length of a regular expression, in bytes.
	maxRegexp = 16 << 10
	// maxProgram limits the program size of one regular expression, maxPrograms that of all of a
	// request. estimateProgramSize defines the unit; it takes about 100 bytes of memory.
	maxProgram  = 20_000
	maxPrograms = 60_000
	// maxClasses limits the Unicode classes (`\pL`) of one regular expression. Parsing turns the 3
	// bytes of a class into up to 5 kB, and it has to be parsed to be counted otherwise.
	maxClasses = 64
)

// estimateProgramSize estimates the size of the program that package regexp compiles expr to: one
// for each character, instruction and range of a character class. It does not compile expr; time
// and memory are proportional to len(expr). The size of an invalid expression is 0: the PromQL
// parser reports the error.
func estimateProgramSize(expr string) (int, error) {
	if len(expr) > maxRegexp {
		return 0, fmt.Errorf("a regular expression is %d bytes long, the limit is %d; select fewer values at once", len(expr), maxRegexp)
	}
	classes, plain := scanClasses(expr)
	if classes > maxClasses {
		return 0, fmt.Errorf("a regular expression has more than %d Unicode classes such as \\pL; list the characters instead", maxClasses)
	}
	if n := 2*len(expr) + 1; plain && n <= maxProgram {
		return n, nil
	}
	n := 0
	if parsed, err := syntax.Parse(expr, syntax.Perl|syntax.DotNL); err == nil {
		n = regexpSize(parsed)
	}
	if n > maxProgram {
		return n, fmt.Errorf("a regular expression compiles to more than %d instructions; use fewer repetitions, or select fewer values at once", maxProgram)
	}
	return n, nil
}

// scanClasses counts the potentially large character classes of expr. It also reports whether expr
// is simple: it has neither classes nor counted repetitions, so that its program has at most two
// instructions for each byte.
func scanClasses(expr string) (classes int, plain bool) {
	folds := strings.Contains(expr, "(?")
	plain = !folds
	for i := 0; i < len(expr); i++ {
		switch expr[i] {
		case '\\':
			if i++; i < len(expr) && (expr[i] == 'p' || expr[i] == 'P') {
				classes++
			}
			// \d and similar escapes are classes of several ranges.
			plain = plain && i < len(expr) && !isLetter(expr[i])
		case '[':
			plain = false
			if folds { // a case-insensitive range can expand to all letters of its scripts
				classes++
			}
		case '{':
			plain = false
		}
	}
	return classes, plain
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// regexpSize returns the program size of a parsed expression. It stops counting at maxProgram+1.
func regexpSize(re *syntax.Regexp) int {
	n := 1
	switch re.Op {
	case syntax.OpLiteral:
		n += len(re.Rune)
	case syntax.OpCharClass:
		n += len(re.Rune) / 2
	case syntax.OpRepeat:
		// The program contains a copy for each possible repetition, each with an
		// instruction that continues or stops.
		one, times := regexpSize(re.Sub[0])+2, max(re.Min+1, re.Max, 1)
		return min(one*times, maxProgram+1)
	}
	for _, sub := range re.Sub {
		if n += regexpSize(sub) + 1; n > maxProgram {
			return maxProgram + 1
		}
	}
	return n
}

// programSize is the size of all regular expressions of one request; see maxPrograms.
type programSize int

// add adds a regular expression, and returns an error if it exceeds a limit.
func (p *programSize) add(expr string) error {
	n, err := estimateProgramSize(expr)
	if err != nil {
		return err
	}
	if *p += programSize(n); *p > maxPrograms {
		return errTooManyPrograms
	}
	return nil
}

var errTooManyPrograms = errors.New("the regular expressions of the request are too large together; select less at once, or split the request")
