package wire

import (
	"errors"
	"slices"
	"testing"
)

func TestChecksumDetectsLostRepeatedAndReorderedMessages(t *testing.T) {
	frames := []string{"hello", "", "granted", "granted", "bookmark"}
	var out Checksum
	var sent [][]byte
	for _, f := range frames {
		sent = append(sent, out.Append([]byte(f)))
	}
	for name, tc := range map[string]struct {
		messages [][]byte
		verified int
	}{
		"all":            {sent, 5},
		"one lost":       {slices.Delete(slices.Clone(sent), 1, 2), 1},
		"one repeated":   {slices.Insert(slices.Clone(sent), 1, sent[0]), 1},
		"the same twice": {[][]byte{sent[0], sent[1], sent[2], sent[2]}, 3},
		"two reordered":  {[][]byte{sent[0], sent[2], sent[1]}, 1},
		"cut short":      {[][]byte{sent[0][:8]}, 0},
		"nothing":        {[][]byte{{}}, 0},
		"no checksum":    {[][]byte{{1, 2, 3}}, 0},
	} {
		var in Checksum
		verified := 0
		for i, m := range tc.messages {
			frame, err := in.Verify(m)
			if err != nil {
				if !errors.Is(err, ErrResync) {
					t.Errorf("%s: %v does not wrap ErrResync", name, err)
				}
				break
			}
			if string(frame) != frames[i] {
				t.Errorf("%s: got frame %q, want %q", name, frame, frames[i])
			}
			verified++
		}
		if verified != tc.verified {
			t.Errorf("%s: %d messages verified, want %d", name, verified, tc.verified)
		}
	}
}

func TestChecksumDetectsEveryFlippedBit(t *testing.T) {
	var out Checksum
	sent := out.Append([]byte("a frame"))
	for bit := range 8 * len(sent) {
		corrupted := slices.Clone(sent)
		corrupted[bit/8] ^= 1 << (bit % 8)
		var in Checksum
		if _, err := in.Verify(corrupted); err == nil {
			t.Errorf("flipping bit %d is not detected", bit)
		}
	}
}
