// Package near finds what a person meant who mistyped a word, for error messages.
package near

import "github.com/agnivade/levenshtein"

// Of returns the known word that is nearest to the given one: the one with the fewest
// letters to change, and of several the one that begins alike. It returns ""
// if more letters differ than a third of the word's and one.
func Of[T ~string](word string, known []T) string {
	best, distance := "", len(word)/3+2
	for _, name := range known {
		k := string(name)
		d := levenshtein.ComputeDistance(word, k)
		if d < distance || d == distance && best != "" && common(word, k) > common(word, best) {
			best, distance = k, d
		}
	}
	return best
}

// Hint is the question that a message asks if a known word is near: "did you mean
// linux-6.12? ", with the space before what follows; else it is empty.
func Hint[T ~string](word string, known []T) string {
	if meant := Of(word, known); meant != "" {
		return "did you mean " + meant + "? "
	}
	return ""
}

// common is how many bytes two words have in common at their beginning.
func common(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}
