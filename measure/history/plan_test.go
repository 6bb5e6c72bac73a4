package history

import (
	"fmt"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/measure/history/historytest"
)

// TestPlans: what a night and the commands ask a database for is found by an index,
// and never by looking at all entries. What nobody asks for is not, which shows that a
// plan tells.
func TestPlans(t *testing.T) {
	type statement struct {
		text string
		args []any
	}
	asked := func(q Query) statement {
		text, args := q.statement()
		return statement{text, args}
	}
	const series, night = "s7", "2026-01-09"
	for _, kind := range historytest.Databases(t) {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			s := open(t, kind.New(t)).(*database)
			var all []Entry
			for n := range 100 {
				for i := range 50 {
					all = append(all, count(n, fmt.Sprint("s", i), 1))
				}
			}
			if err := s.Append(t.Context(), all...); err != nil {
				t.Fatal(err)
			}
			if _, err := s.db.ExecContext(t.Context(), `ANALYZE`); err != nil {
				t.Fatal(err)
			}
			for _, tt := range []struct {
				name string
				statement
				index string // empty: none
			}{
				{"a series", asked(Query{Series: series}), "entries_by_series"},
				{"a night", asked(Query{Night: night}), "entries_by_night"},
				{"a series' night", asked(Query{Series: series, Night: night}), "entries_by_series"},
				{"the whole series", statement{wholeText, []any{seriesID(series)}}, "entries_by_series"},
				{"its last entries", statement{lastText, []any{seriesID(series), 10}}, "entries_by_series"},
				{"its first entry", statement{firstText, []any{seriesID(series)}}, "entries_by_series"},
				{"its night", statement{nightText, []any{seriesID(series), night}}, "entries_by_series"},
				{"the series of a night", statement{idsText, []any{night}}, "entries_by_night"},
				{"what was accepted", statement{acceptedText, nil}, "entries_by_kind"},
				{"all counts", asked(Query{Kind: Count}), ""},
			} {
				t.Run(tt.name, func(t *testing.T) {
					plan := planOf(t, s, kind.Name == "sqlite", tt.text, tt.args...)
					whole := strings.Contains(plan, "SCAN entries") || strings.Contains(plan, "Seq Scan on entries")
					if whole != (tt.index == "") || !strings.Contains(plan, tt.index) {
						t.Errorf("want index %q:\n%s", tt.index, plan)
					}
				})
			}
		})
	}
}

// planOf returns how the database would carry out a statement.
func planOf(t *testing.T, s *database, sqlite bool, text string, args ...any) string {
	t.Helper()
	word := "EXPLAIN "
	if sqlite {
		word = "EXPLAIN QUERY PLAN "
	}
	rows, err := s.db.QueryContext(t.Context(), word+text, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	plan := ""
	for rows.Next() {
		into := make([]any, len(columns))
		for i := range into {
			into[i] = new(any)
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		plan += fmt.Sprintln(*into[len(into)-1].(*any))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan
}
