package rediscache

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// errURL is all that is said of a URL that cannot be read: what the parser stumbled
// over may be a part of the password.
var errURL = errors.New("the redis URL cannot be read: it is redis://[user:password@]host:port[/db] or rediss://…, with every special character of the password percent-encoded")

// connect is the client that a URL describes, and the address for logs. It opens no
// connection.
//
//	redis://[user:password@]host:port[/db]           one server
//	rediss://…                                       the same, over TLS
//	redis://host:port?master_name=NAME[&addr=h:p]    Sentinel: host and addr are sentinels; user and
//	                                                 password are theirs, &username= and &password= the server's
//	redis://host:port?cluster=true[&addr=h:p]        Redis Cluster: host and addr are any of its nodes
//
// Further options are go-redis' own (pool_size, dial_timeout, …).
func connect(raw string) (redis.UniversalClient, string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || misread(raw, u) {
		return nil, "", errURL
	}
	query := u.Query()
	clustered := query.Get("cluster") == "true"
	query.Del("cluster")
	u.RawQuery = query.Encode()
	var client redis.UniversalClient
	switch {
	case query.Has("master_name"):
		client, err = sentinel(u.String())
	case clustered || query.Has("addr"):
		client, err = clusterOf(u.String())
	default:
		client, err = single(u.String())
	}
	if err != nil {
		return nil, "", fmt.Errorf("read the redis URL: %w", err)
	}
	return client, u.Host, nil
}

// misread says that a special character of the password was probably taken for the
// end of it: an @ is left where none belongs.
func misread(raw string, u *url.URL) bool {
	ats := strings.Count(raw, "@")
	return ats > 1 || ats == 1 && u.User == nil
}

// Every call has a deadline of its own, which the client has to keep; what it fails
// at is tried again by who called.

func single(raw string) (redis.UniversalClient, error) {
	o, err := redis.ParseURL(raw)
	if err != nil {
		return nil, err
	}
	o.ContextTimeoutEnabled, o.DialerRetries, o.DisableIdentity = true, 1, true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClient(o), nil
}

func sentinel(raw string) (redis.UniversalClient, error) {
	o, err := redis.ParseFailoverURL(raw)
	if err != nil {
		return nil, err
	}
	o.ContextTimeoutEnabled, o.DialerRetries, o.DisableIdentity = true, 1, true
	return redis.NewFailoverClient(o), nil
}

func clusterOf(raw string) (redis.UniversalClient, error) {
	o, err := redis.ParseClusterURL(raw)
	if err != nil {
		return nil, err
	}
	o.ContextTimeoutEnabled, o.DialerRetries, o.DisableIdentity = true, 1, true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClusterClient(o), nil
}
