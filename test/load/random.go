package load

// The purposes of random numbers. Sample n has the purpose drawSample+n.
const (
	drawBase uint64 = iota
	drawIdle
	drawSample
)

// random is a SplitMix64 generator. Seeding it costs nothing, which matters since each
// sample of each of 300,000 keys uses a separate generator.
type random uint64

// draw returns a generator for a key and a purpose.
func (u *Usage) draw(key string, purpose uint64) random {
	// FNV-1a of the key.
	h := uint64(0xcbf29ce484222325)
	for i := range len(key) {
		h = (h ^ uint64(key[i])) * 0x100000001b3
	}
	return random(mix(h^mix(u.seed)) + mix(purpose))
}

// next returns a number in [0, 1).
func (r *random) next() float64 {
	*r += 0x9e3779b97f4a7c15
	return float64(mix(uint64(*r))>>11) / (1 << 53)
}

// mix is the output function of SplitMix64.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
