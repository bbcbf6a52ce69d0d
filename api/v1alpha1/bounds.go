package v1alpha1

// What the schema takes at most of what the master writes. Whoever fills a status
// cuts to this, because the API server refuses the whole of one that is too large.
// Lengths are in characters.
const (
	// MaxProblems is how many problems a Summary lists.
	MaxProblems = 50
	// MaxExtendedResources is how many extended resources a Resources counts.
	MaxExtendedResources = 64
	// MaxProblemKind is the length of Problem.Kind.
	MaxProblemKind = 32
	// MaxProblemWhat is the length of Problem.What.
	MaxProblemWhat = 256
	// MaxProblemWhere is the length of Problem.Where: namespace/pod/container and some.
	MaxProblemWhere = 512
	// MaxMessage is the length of a Problem's and of a session's message.
	MaxMessage = 1024
	// MaxWord is the length of versions, UIDs, session ids, holders and end reasons.
	MaxWord = 64
)
