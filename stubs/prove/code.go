package prove

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/entrylab/entrylab/stubs"
)

// Code returns the variant's own instructions as a listing, and the hash of the listing. It
// has no addresses: two variants with the same hash run the same code, wherever it is.
func Code(n stubs.Variant) (hash, listing string, err error) {
	obj, err := link(n)
	if err != nil {
		return "", "", err
	}
	var b strings.Builder
	for _, l := range obj.Listings() {
		name, variant, ok := stubs.CutFuncName(l.Name)
		if !ok || variant != n.Name {
			continue
		}
		fmt.Fprintf(&b, "%s:\n", name)
		for _, r := range l.Rows {
			if r.Label != "" {
				fmt.Fprintf(&b, "%s:\n", r.Label)
				continue
			}
			fmt.Fprintf(&b, "\t%s\n", r.Ins)
		}
	}
	return fmt.Sprintf("%x", sha256.Sum256([]byte(b.String())))[:16], b.String(), nil
}
