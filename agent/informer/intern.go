package informer

// maxInterned is how many strings an interner remembers.
const maxInterned = 16384

// interner makes equal strings share their bytes. The same few namespaces, node
// names, images and reasons come with every pod, each time as bytes of their own.
// It is a cache, not a registry: once it is full it starts anew, so names that
// come and go do not stay. It is not safe for concurrent use.
type interner map[string]string

func (i interner) of(s string) string {
	if s == "" {
		return ""
	}
	if known, ok := i[s]; ok {
		return known
	}
	if len(i) >= maxInterned {
		clear(i)
	}
	i[s] = s
	return s
}
