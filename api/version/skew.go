package version

import (
	"fmt"
	"strconv"
	"strings"
)

// SupportedSkew is how many minor versions an agent may be older than its master.
const SupportedSkew = 2

// DescribeSkew returns what is wrong with the versions of a master and an agent, and what to do; "" if they are
// supported together, or if one is not a release. An agent must not be newer than its master, and at most
// SupportedSkew minor versions older.
func DescribeSkew(master, agent string) string {
	m, ok := parseMinor(master)
	a, okAgent := parseMinor(agent)
	switch {
	case !ok || !okAgent:
		return ""
	case a.major > m.major || a.major == m.major && a.minor > m.minor:
		return fmt.Sprintf("the agent (%s) is newer than the master (%s): upgrade the master, which has to be first", agent, master)
	case a.major < m.major || m.minor-a.minor > SupportedSkew:
		return fmt.Sprintf("the agent (%s) is more than %d minor versions older than the master (%s): upgrade the agent", agent, SupportedSkew, master)
	}
	return ""
}

// minorVersion is a version without its patch.
type minorVersion struct{ major, minor int }

// parseMinor parses a version such as v1.2.3-4-g0123abc.
func parseMinor(text string) (minorVersion, bool) {
	parts := strings.SplitN(strings.TrimPrefix(text, "v"), ".", 3)
	if len(parts) < 3 {
		return minorVersion{}, false
	}
	major, err := strconv.Atoi(parts[0])
	minor, errMinor := strconv.Atoi(parts[1])
	return minorVersion{major, minor}, err == nil && errMinor == nil && major >= 0 && minor >= 0
}
