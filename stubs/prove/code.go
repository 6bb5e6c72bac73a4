package prove

import (
	"crypto/sha256"
	"fmt"

	"github.com/entrylab/entrylab/stubs"
)

// CodeHash is a hash of the variant's own instructions, in which no address is: two
// variants with one hash run the same code, wherever it lies.
func CodeHash(n stubs.Variant) (string, error) {
	obj, err := link(n)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, l := range obj.Listings() {
		name, variant, ok := stubs.CutFuncName(l.Name)
		if !ok || variant != n.Name {
			continue
		}
		fmt.Fprintln(sum, name)
		for _, r := range l.Rows {
			fmt.Fprintln(sum, r.Label, r.Ins)
		}
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:8]), nil
}
