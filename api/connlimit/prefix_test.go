package connlimit

import "testing"

func TestParsePrefix(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.7/8": "10.0.0.0/8", "10.0.0.7": "10.0.0.7/32", "2001:db8::1": "2001:db8::1/128", "::ffff:10.0.0.0/104": "10.0.0.0/8", "::ffff:10.0.0.1": "10.0.0.1/32",
		"10.0.0.0/33": "", "": "", "localhost": "", "fe80::1%eth0": "", "::ffff:0:0/90": "",
	} {
		p, err := ParsePrefix(text)
		if got := p.String(); (err == nil) != (want != "") || want != "" && got != want {
			t.Errorf("%q: %s, %v; want %q", text, got, err, want)
		}
	}
}
