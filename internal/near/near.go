// Package near finds the word that a user meant and mistyped, for error messages.
package near

import "github.com/agnivade/levenshtein"

// Of returns the known word that is nearest to the given one: the one with the fewest
// letters to change and, of several, the one with the longest common beginning. It returns
// "" if more than a third of the letters and one differ.
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

// Hint returns a question for a message if a known word is near: "did you mean
// linux-6.12? ", with a space at its end; otherwise it returns "".
func Hint[T ~string](word string, known []T) string {
	if meant := Of(word, known); meant != "" {
		return "did you mean " + meant + "? "
	}
	return ""
}

// common returns the length of the common beginning of two words, in bytes.
func common(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}
