package rediscache

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// errURL is returned for any invalid URL. The error of the parser could contain a part of the
// password.
var errURL = errors.New("invalid redis URL: use redis://[user:password@]host:port[/db] or rediss://…, and percent-encode special characters in the password")

// newClient returns the client for a URL, and its address for logs. It does not connect.
//
//	redis://[user:password@]host:port[/db]           one server
//	rediss://…                                       the same, over TLS
//	redis://host:port?master_name=NAME[&addr=h:p]    Sentinel: host and addr are sentinels, with their user
//	                                                 and password; &username= and &password= are the server's
//	redis://host:port?cluster=true[&addr=h:p]        Redis Cluster: host and addr are any of its nodes
//
// Further options are go-redis' own (pool_size, dial_timeout, …).
func newClient(raw string) (redis.UniversalClient, string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || ambiguousPassword(raw, u) {
		return nil, "", errURL
	}
	query := u.Query()
	clustered := query.Get("cluster") == "true"
	query.Del("cluster")
	u.RawQuery = query.Encode()
	var client redis.UniversalClient
	switch {
	case query.Has("master_name"):
		client, err = newSentinelClient(u.String())
	case clustered || query.Has("addr"):
		client, err = newClusterClient(u.String())
	default:
		client, err = newSingleClient(u.String())
	}
	if err != nil {
		return nil, "", fmt.Errorf("parse the redis URL: %w", err)
	}
	return client, u.Host, nil
}

// ambiguousPassword reports whether a special character in the password was probably parsed as its
// end: an @ is left in another part of the URL.
func ambiguousPassword(raw string, u *url.URL) bool {
	ats := strings.Count(raw, "@")
	return ats > 1 || ats == 1 && u.User == nil
}

// newSingleClient returns the client for one server. Calls end at the deadline of their context,
// and the caller retries.
func newSingleClient(raw string) (redis.UniversalClient, error) {
	o, err := redis.ParseURL(raw)
	if err != nil {
		return nil, err
	}
	o.ContextTimeoutEnabled, o.DialerRetries, o.DisableIdentity = true, 1, true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClient(o), nil
}

// newSentinelClient returns the client for a server that sentinels name.
func newSentinelClient(raw string) (redis.UniversalClient, error) {
	o, err := redis.ParseFailoverURL(raw)
	if err != nil {
		return nil, err
	}
	o.ContextTimeoutEnabled, o.DialerRetries, o.DisableIdentity = true, 1, true
	return redis.NewFailoverClient(o), nil
}

// newClusterClient returns the client for a Redis Cluster.
func newClusterClient(raw string) (redis.UniversalClient, error) {
	o, err := redis.ParseClusterURL(raw)
	if err != nil {
		return nil, err
	}
	o.ContextTimeoutEnabled, o.DialerRetries, o.DisableIdentity = true, 1, true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClusterClient(o), nil
}
