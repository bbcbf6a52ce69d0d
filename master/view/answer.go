package view

import (
	"bytes"
	"strconv"
	"time"
)

// Answer is a part of a Document in one encoding. All who read a report share it, and
// nobody changes it.
type Answer struct {
	Body Body
	// Encoding is that of the Body: none where packing is not worth it.
	Encoding Encoding
	// Length is that of the Body, as Stamps are.
	Length []string
}

func answerOf(b Body, e Encoding) *Answer {
	return &Answer{Body: b, Encoding: e, Length: stamp(strconv.Itoa(b.Len()))}
}

// Stamps are what is told of a report beside each Answer, as texts of which each is a
// slice by itself, as headers have them: they are the same for all who read the report,
// and to make them takes longer than to send them. Nobody changes them.
type Stamps struct {
	// Tag is the resourceVersion as a weak entity tag; weak because times move without it.
	Tag []string
	// ReceivedAt and ObservedAt read as in bodies; ObservedAt is nil where there is none.
	ReceivedAt, ObservedAt []string
	Session, Stale         []string
}

// instants is how times read in bodies: RFC 3339 in UTC, in milliseconds.
const instants = "2006-01-02T15:04:05.000Z07:00"

func stampsOf(r *Report) Stamps {
	s := Stamps{
		Tag: stamp(`W/"` + r.ResourceVersion + `"`), ReceivedAt: stamp(shownAt(r.ReceivedAt)),
		Session: stamp(r.Session.ID), Stale: stamp(strconv.FormatBool(r.Stale())),
	}
	if observed := r.ObservedAt(); !observed.IsZero() {
		s.ObservedAt = stamp(shownAt(observed))
	}
	return s
}

func stamp(s string) []string { return []string{s} }

func shownAt(t time.Time) string { return t.UTC().Format(instants) }

// Stamps are those of the document's report.
func (d *Document) Stamps() *Stamps { return &d.stamps }

// Age is for how long the document's report has been there.
func (d *Document) Age(now time.Time) time.Duration { return max(0, now.Sub(d.report.ReceivedAt)) }

// Lasting says that the report's resourceVersion tells all that the document shows but
// times: a summary may grow worse with time alone.
func (d *Document) Lasting() bool { return !d.ripened }

// answer is a part in an encoding, made at the first read; isNew tells that there may be
// more bytes than before.
func (d *Document) answer(part Part, e Encoding, with *packer) (a *Answer, isNew bool, err error) {
	if kept := d.answers[part][e].Load(); kept != nil {
		return kept, false, nil
	}
	a, err = d.makeAnswer(part, e, with)
	if err == nil {
		d.answers[part][e].Store(a)
	}
	return a, true, err
}

func (d *Document) makeAnswer(part Part, e Encoding, with *packer) (*Answer, error) {
	plain, err := d.Body(part)
	if err != nil {
		return nil, err
	}
	if e == Identity && plain.Len() > maxJoined {
		return answerOf(plain, Identity), nil
	}
	if plain.Len() < minPacked {
		e = Identity
	}
	packed, err := d.packed[part][e].from(func() ([]byte, error) {
		body, _, err := with.pack(plain, e)
		if len(body) == 1 {
			return body[0], err
		}
		return bytes.Join(body, nil), err
	})
	return answerOf(Body{packed}, e), err
}

// maxJoined is up to which size an answer is kept in one piece too: a small one takes
// longer to write piece by piece than to make.
const maxJoined = 512 << 10
