package load

// What a draw is for. Samples count up from drawSample.
const (
	drawBase uint64 = iota
	drawIdle
	drawSample
)

// random is a SplitMix64 generator: it starts anywhere at no cost, which a sample of
// its own for each of 300,000 keys needs.
type random uint64

// draw begins the random numbers of a key for one purpose.
func (u *Usage) draw(key string, purpose uint64) random {
	// FNV-1a over the key; its offset and prime.
	h := uint64(0xcbf29ce484222325)
	for i := range len(key) {
		h = (h ^ uint64(key[i])) * 0x100000001b3
	}
	return random(mix(h^mix(u.seed)) + mix(purpose))
}

// next is a number in [0, 1).
func (r *random) next() float64 {
	*r += 0x9e3779b97f4a7c15
	return float64(mix(uint64(*r))>>11) / (1 << 53)
}

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
