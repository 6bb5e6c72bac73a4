// Package align pairs the elements of two sequences that are the same, as many as can be
// in one order: listings and executed paths are compared by it.
package align

// Sequences calls each function for elements of two sequences, of n and m elements, in
// their order: both for the elements i and j that are paired, which are the same, and
// left or right for one that only one of the sequences has. What is paired is a longest
// common subsequence. It takes n times m comparisons, and 4 bytes for each.
func Sequences(n, m int, same func(i, j int) bool, both func(i, j int), left func(i int), right func(j int)) {
	// common[i][j] is how many can be paired from i and j on.
	common := make([][]int32, n+1)
	for i := range common {
		common[i] = make([]int32, m+1)
	}
	for i := n - 1; i >= 0; i-- {
		for j := m - 1; j >= 0; j-- {
			if same(i, j) {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	for i, j := 0, 0; i < n || j < m; {
		switch {
		case i < n && j < m && same(i, j):
			both(i, j)
			i, j = i+1, j+1
		case j == m || i < n && common[i+1][j] >= common[i][j+1]:
			left(i)
			i++
		default:
			right(j)
			j++
		}
	}
}
