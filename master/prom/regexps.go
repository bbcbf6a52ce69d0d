package prom

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"strings"
)

const (
	// maxRegexp is the longest regular expression, in bytes.
	maxRegexp = 16 << 10
	// maxProgram is how large the program of one regular expression may be, in units of
	// some 100 bytes: see programOf. maxPrograms is the same for all of a request.
	maxProgram  = 20_000
	maxPrograms = 60_000
	// maxClasses is how many classes of Unicode (`\pL`) one regular expression may have:
	// each may be 5 kB from 3 bytes of text, before anything can be counted.
	maxClasses = 64
)

// programOf estimates the program that the regexp package would make of an expression: one
// for each character and instruction, and for each range of a class. It takes time and memory
// in proportion to the length of the expression, and compiles nothing. What is no expression
// costs nothing: the parser says what is wrong with it.
func programOf(expr string) (int, error) {
	if len(expr) > maxRegexp {
		return 0, fmt.Errorf("a regular expression is %d bytes long, and may be %d: select fewer at once", len(expr), maxRegexp)
	}
	classes, plain := classesIn(expr)
	if classes > maxClasses {
		return 0, fmt.Errorf("a regular expression has more than %d classes of Unicode such as \\pL: name the characters instead", maxClasses)
	}
	if n := 2*len(expr) + 1; plain && n <= maxProgram {
		return n, nil
	}
	n := 0
	if parsed, err := syntax.Parse(expr, syntax.Perl|syntax.DotNL); err == nil {
		n = sizeOf(parsed)
	}
	if n > maxProgram {
		return n, fmt.Errorf("a regular expression would be a program of more than %d instructions: repeat less in it, or select fewer at once", maxProgram)
	}
	return n, nil
}

// classesIn counts what may become a large class, and reports whether an expression has
// neither such nor repeats, so that its program cannot be longer than twice its text.
func classesIn(expr string) (classes int, plain bool) {
	folds := strings.Contains(expr, "(?")
	plain = !folds
	for i := 0; i < len(expr); i++ {
		switch expr[i] {
		case '\\':
			if i++; i < len(expr) && (expr[i] == 'p' || expr[i] == 'P') {
				classes++
			}
			// \d and the like are classes of some ranges.
			plain = plain && i < len(expr) && !isLetter(expr[i])
		case '[':
			plain = false
			if folds { // a range that ignores case is as long as all letters of its scripts
				classes++
			}
		case '{':
			plain = false
		}
	}
	return classes, plain
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// sizeOf is programOf of what is parsed. It stops counting beyond maxProgram.
func sizeOf(re *syntax.Regexp) int {
	n := 1
	switch re.Op {
	case syntax.OpLiteral:
		n += len(re.Rune)
	case syntax.OpCharClass:
		n += len(re.Rune) / 2
	case syntax.OpRepeat:
		// The program has the expression as often as it may be repeated, each with an
		// instruction to go on or not.
		one, times := sizeOf(re.Sub[0])+2, max(re.Min+1, re.Max, 1)
		return min(one*times, maxProgram+1)
	}
	for _, sub := range re.Sub {
		if n += sizeOf(sub) + 1; n > maxProgram {
			return maxProgram + 1
		}
	}
	return n
}

// programs counts the programs of one request.
type programs int

// add counts one more regular expression.
func (p *programs) add(expr string) error {
	n, err := programOf(expr)
	if err != nil {
		return err
	}
	if *p += programs(n); *p > maxPrograms {
		return errTooManyPrograms
	}
	return nil
}

var errTooManyPrograms = errors.New("the regular expressions of the request are too large together: ask for less at once, or in several requests")
