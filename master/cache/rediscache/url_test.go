package rediscache

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

func TestURLs(t *testing.T) {
	for _, tc := range []struct {
		url, address string
		check        func(redis.UniversalClient) bool
	}{
		{"redis://h:6379", "h:6379", func(c redis.UniversalClient) bool {
			o := c.(*redis.Client).Options()
			return o.Addr == "h:6379" && o.TLSConfig == nil && o.DB == 0
		}},
		{"rediss://u:p%2Fw@h:6380/3?pool_size=4", "h:6380", func(c redis.UniversalClient) bool {
			o := c.(*redis.Client).Options()
			return o.Addr == "h:6380" && o.TLSConfig.ServerName == "h" && o.DB == 3 && o.Username == "u" && o.Password == "p/w" && o.PoolSize == 4
		}},
		{"redis://s1:26379/2?master_name=m&addr=s2:26379&password=x", "s1:26379", func(c redis.UniversalClient) bool {
			o := c.(*redis.Client).Options()
			return o.Addr == "FailoverClient" && o.DB == 2 && o.Password == "x"
		}},
		{"redis://n1:7000?cluster=true", "n1:7000", func(c redis.UniversalClient) bool {
			return len(c.(*redis.ClusterClient).Options().Addrs) == 1
		}},
		{"rediss://:x@n1:7000?addr=n2:7000&addr=n3:7000", "n1:7000", func(c redis.UniversalClient) bool {
			o := c.(*redis.ClusterClient).Options()
			return len(o.Addrs) == 3 && o.Password == "x" && o.TLSConfig != nil
		}},
	} {
		c, address, err := newClient(tc.url)
		if err != nil {
			t.Errorf("%s: got error %v, want none", tc.url, err)
			continue
		}
		if address != tc.address || !tc.check(c) {
			t.Errorf("%s: got address %s and client %+v, want %s and the options of the URL", tc.url, address, c, tc.address)
		}
		_ = c.Close()
	}
}

func TestInvalidURLErrorsHideThePassword(t *testing.T) {
	for _, url := range []string{
		"", "redis", "http://h:1", "redis://h:6379/first", "redis://h:6379/1/2", "redis://h:6379?poolsize=3", "redis://h?master_name=m&addr=nowhere",
		"redis://:secret@h:port", "redis://:se/cret@h:1", "redis://:1/secret@h:1", "redis://:1?secret@h:1", "redis://:1#secret@h:1", "redis://:%zzsecret@h:1",
		"redis://u:se@cret/@h:1", "rediss://u:a@h/secret@h:1", "redis://:secret@h:1/first", "redis://:secret@h:1?what=1",
	} {
		c, _, err := newClient(url)
		if err == nil {
			t.Errorf("%s: got client %+v, want an error", url, c)
			_ = c.Close()
			continue
		}
		if strings.Contains(err.Error(), "cret") {
			t.Errorf("%s: got error %v, want it without the password", url, err)
		}
	}
}
