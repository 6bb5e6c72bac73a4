package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// hlistAdd puts the object r at the beginning of the list whose first object the word that
// head points to names. node gives the links of an object. Clobbers head and next.
func hlistAdd(r Reg, node func(Reg) *layout.HListNode[Mem], head, next Reg) Block {
	return Block{
		MOVQ(head.At(0), next),
		MOVQ(r, head.At(0)),
		MOVQ(next, node(r).Next),
		MOVQ(head, node(r).PPrev),
		TESTQ(next, next),
		IF(NE,
			LEAQ(node(r).Next, head),
			MOVQ(head, node(next).PPrev),
		),
	}
}

// hlistDel takes the object r off a list. node gives the links of an object. Clobbers next
// and prev.
func hlistDel(r Reg, node func(Reg) *layout.HListNode[Mem], next, prev Reg) Block {
	return Block{
		MOVQ(node(r).Next, next),
		MOVQ(node(r).PPrev, prev),
		MOVQ(next, prev.At(0)),
		TESTQ(next, next),
		IF(NE, MOVQ(prev, node(next).PPrev)),
	}
}

// bucket puts in head the address of the list for the number id in a hash of so many lists.
// Clobbers index, which may be id.
func bucket(hash Data, lists int, id, index, head Reg) Block {
	b := Block{}
	if id != index {
		b = Block{MOVL(id, index)}
	}
	return append(b,
		ANDL(lists-1, index),
		LEAQ(Sym(hash), head),
		LEAQ(head.Index(index, 8), head),
	)
}
