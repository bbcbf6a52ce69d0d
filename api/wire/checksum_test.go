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
		came  [][]byte
		opens int
	}{
		"all":            {sent, 5},
		"one lost":       {slices.Delete(slices.Clone(sent), 1, 2), 1},
		"one doubled":    {slices.Insert(slices.Clone(sent), 1, sent[0]), 1},
		"the same twice": {[][]byte{sent[0], sent[1], sent[2], sent[2]}, 3},
		"two swapped":    {[][]byte{sent[0], sent[2], sent[1]}, 1},
		"cut short":      {[][]byte{sent[0][:8]}, 0},
		"nothing":        {[][]byte{{}}, 0},
		"no seal":        {[][]byte{{1, 2, 3}}, 0},
	} {
		var in Checksum
		opened := 0
		for i, m := range tc.came {
			frame, err := in.Verify(m)
			if err != nil {
				if !errors.Is(err, ErrResync) {
					t.Errorf("%s: %v is no resync", name, err)
				}
				break
			}
			if string(frame) != frames[i] {
				t.Errorf("%s: %q opened as %q", name, frames[i], frame)
			}
			opened++
		}
		if opened != tc.opens {
			t.Errorf("%s: %d opened, want %d", name, opened, tc.opens)
		}
	}
}

func TestChecksumDetectsEveryFlippedBit(t *testing.T) {
	var out Checksum
	sent := out.Append([]byte("a frame"))
	for bit := range 8 * len(sent) {
		harmed := slices.Clone(sent)
		harmed[bit/8] ^= 1 << (bit % 8)
		var in Checksum
		if _, err := in.Verify(harmed); err == nil {
			t.Errorf("bit %d", bit)
		}
	}
}
