package kube

import (
	"encoding/hex"
	"fmt"
)

// nameLetters are the letters of generated names. As in Kubernetes they have no vowels, so that they form no words.
const nameLetters = "bcdfghjklmnpqrstvwxz2456789"

// wordHeads and wordTails are the halves of random words; together they form some two thousand words.
var (
	wordHeads = []string{"al", "bar", "cor", "dax", "el", "fen", "gal", "hes", "in", "jor", "kal", "lum", "mar", "nor", "or", "pel", "quin", "ras", "sol", "tam", "ul", "ver", "wex", "yor", "zan", "brin", "chro", "dra", "fla", "gri", "plo", "ste"}
	wordTails = []string{"a", "bex", "cade", "dor", "en", "fix", "gate", "hub", "ix", "jet", "ka", "line", "mint", "net", "on", "pad", "que", "ro", "sys", "tron", "us", "vault", "wire", "x", "yard", "zone", "bit", "core", "desk", "edge", "flow", "graph", "hook", "index", "job", "kit", "log", "mesh", "node", "ops", "pipe", "queue", "relay", "store", "task", "unit", "view", "work", "sync", "stream", "search", "render", "proxy", "pay", "order", "mail", "ledger", "ingest", "image", "feed", "cart", "bill", "auth", "audit"}
)

// word returns a random word.
func (r *Irregular) word() string {
	return wordHeads[r.random.IntN(len(wordHeads))] + wordTails[r.random.IntN(len(wordTails))]
}

// suffix returns a random suffix as Kubernetes generates for generateName.
func (r *Irregular) suffix(length int) string {
	letters := make([]byte, length)
	for i := range letters {
		letters[i] = nameLetters[r.random.IntN(len(nameLetters))]
	}
	return string(letters)
}

// hex returns random bytes in hexadecimal.
func (r *Irregular) hex(bytes int) string {
	random := make([]byte, bytes)
	for i := range random {
		random[i] = byte(r.random.Uint32())
	}
	return hex.EncodeToString(random)
}

// uid returns a random UID.
func (r *Irregular) uid() string {
	return fmt.Sprintf("%s-%s-%s-%s-%s", r.hex(4), r.hex(2), r.hex(2), r.hex(2), r.hex(6))
}
