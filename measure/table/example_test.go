package table_test

import (
	"fmt"
	"os"

	"github.com/entrylab/entrylab/measure/table"
)

// A document is printed for people, or for programs.
func ExampleDocument_Write() {
	t := &table.Table{Name: "costs", Head: []string{"variant", "instructions"}}
	t.Add("linux-3.19", 42)
	t.Add("heukelum-v2", 48)
	var d table.Document
	d.Add(table.Block{Table: t})
	for _, format := range []string{"text", "csv"} {
		if err := d.Write(os.Stdout, format); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// variant       instructions
	// linux-3.19              42
	// heukelum-v2             48
	// variant,instructions
	// linux-3.19,42
	// heukelum-v2,48
}
