// Package align pairs equal elements of two sequences, as many as possible without
// changing their order. Listings and executed paths are compared by it.
package align

// Sequences goes through two sequences of n and m elements in order. It calls both for
// the elements i and j that are paired, because they are equal, and left or right for an
// element that only one of the sequences has. The pairs are a longest common subsequence.
// It takes n times m comparisons, and 4 bytes for each.
func Sequences(n, m int, same func(i, j int) bool, both func(i, j int), left func(i int), right func(j int)) {
	// common[i][j] is the number of pairs from i and j on.
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
