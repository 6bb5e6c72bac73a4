package layout

import "testing"

func TestFeatures(t *testing.T) {
	for _, tt := range []struct {
		f    Features
		want string
	}{
		{0, ""},
		{FeaturePCID, "PCID"},
		{FeaturePCID | FeatureIBRS, "PCID, IBRS"},
		{FeaturePCID | 1<<40, "PCID, features(0x10000000000)"},
	} {
		if got := tt.f.String(); got != tt.want {
			t.Errorf("%#x is %q, want %q", uint64(tt.f), got, tt.want)
		}
	}
}
