package v1alpha1

// Limits of the schema for the status that the master writes. The master cuts texts to these limits,
// since the API server rejects a whole status if one value exceeds its limit. Lengths are in
// characters.
const (
	// MaxProblems is the number of problems in a Summary.
	MaxProblems = 50
	// MaxExtendedResources is the number of extended resources in a Resources.
	MaxExtendedResources = 64
	// MaxProblemKind is the length of Problem.Kind.
	MaxProblemKind = 32
	// MaxProblemWhat is the length of Problem.What.
	MaxProblemWhat = 256
	// MaxProblemWhere is the length of Problem.Where, such as namespace/pod/container.
	MaxProblemWhere = 512
	// MaxMessage is the length of the message of a problem or session.
	MaxMessage = 1024
	// MaxShortText is the length of versions, UIDs, session IDs, master IDs and end reasons.
	MaxShortText = 64
)
