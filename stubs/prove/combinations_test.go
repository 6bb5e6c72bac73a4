package prove

import (
	"testing"

	"github.com/entrylab/entrylab/internal/stubstest"
	"pgregory.net/rapid"
)

// TestCombinations proves variants that nobody has named.
func TestCombinations(t *testing.T) {
	combination := stubstest.Combination()
	rapid.Check(t, func(t *rapid.T) {
		n := combination.Draw(t, "variant")
		proof, err := Prove(n)
		if err != nil {
			t.Fatal(err)
		}
		if err := proof.Err(); err != nil {
			t.Fatal(err)
		}
	})
}
