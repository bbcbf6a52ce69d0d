package rediscache

import (
	"context"
	"crypto/hmac"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"rollcall.dev/rollcall/master/cache"
)

const (
	// termTTL is how long Redis keeps the last term of a cluster. Terms grow after that, too, as they follow the time.
	termTTL = 7 * 24 * time.Hour
	// maxTermLen is how many bytes of the last term are read.
	maxTermLen = 256
)

// termKeys returns the key of the last term of a cluster.
func termKeys(cluster string) []string { return []string{redisKey(cluster, "term")} }

// termValue returns the value of the key of the last term: the term, the ID of the signing key, and the MAC.
func (k macKey) termValue(cluster string, term uint64) string {
	number := strconv.FormatUint(term, 10)
	return number + " " + k.id + " " + hex.EncodeToString(k.mac([]byte(kindTerm), []byte(cluster), []byte(number)))
}

// parseTerm returns the term in a value of the key of the last term. The error is a refusal: of a value that was not
// written by a master, or that is too far ahead.
func (ring keyring) parseTerm(cluster, value string, now time.Time) (uint64, error) {
	number, rest, _ := strings.Cut(value, " ")
	id, _, _ := strings.Cut(rest, " ")
	term, err := strconv.ParseUint(number, 10, 64)
	k, known := ring.accepted[id]
	switch {
	case err != nil || rest == "":
		return 0, refused(causeFormat, "the last term %.40q has no MAC: it was written by an old version of Rollcall, or not by a master", value)
	case !known:
		return 0, refused(causeKey, "the last term is signed with key %.40q, and this master accepts %s", id, ring)
	case !hmac.Equal([]byte(value), []byte(k.termValue(cluster, term))):
		return 0, refused(causeMAC, "the MAC of the last term is wrong: something else writes to this Redis")
	case term > cache.MaxTerm(now):
		return 0, refused(causeTime, "the last term %d is ahead of this master's clock", term)
	}
	return term, nil
}

// LastTerm implements cache.Store. A term that a master did not write counts as none.
func (r *Cache) LastTerm(ctx context.Context, cluster string) (term uint64, err error) {
	var value string
	err = r.do(ctx, cluster, func() (err error) {
		value, err = r.client.GetRange(ctx, redisKey(cluster, "term"), 0, maxTermLen-1).Result()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("get the last term of %s from redis: %w", cluster, err)
	}
	if value == "" {
		return 0, nil
	}
	if term, err = r.keys.parseTerm(cluster, value, time.Now()); err != nil {
		r.recorder.record(cluster, err)
		return 0, nil
	}
	return term, nil
}

// TakeTerm implements cache.Store. It replaces a term that a master did not write.
func (r *Cache) TakeTerm(ctx context.Context, cluster string, term uint64) error {
	replaced := ""
	for range 2 {
		reply, err := r.runScript(ctx, cluster, r.term, termKeys(cluster), term, r.keys.signing.termValue(cluster, term), termTTL.Milliseconds(), replaced)
		switch {
		case err != nil:
			return fmt.Errorf("set the term of %s in redis: %w", cluster, err)
		case asString(reply[0]) != statusSuperseded || len(reply) != 2:
			return nil
		}
		if replaced = asString(reply[1]); r.superseded(cluster, replaced) {
			break
		}
	}
	return fmt.Errorf("set the term of %s in redis: %w", cluster, cache.ErrSuperseded)
}

// superseded reports whether a value of the key of the last term was written by a master. If not, it records that.
func (r *Cache) superseded(cluster, value string) bool {
	_, err := r.keys.parseTerm(cluster, value, time.Now())
	if err != nil {
		r.recorder.record(cluster, err)
	}
	return err == nil
}
