package layout

// RobustListHead is what set_robust_list passes (Linux include/uapi/linux/futex.h,
// struct robust_list_head).
type RobustListHead[T any] struct {
	Next    T // the first lock's entry, or the head again
	Offset  T // from an entry to its lock's word
	Pending T // list_op_pending: the entry that is being put on the list or taken off
}
