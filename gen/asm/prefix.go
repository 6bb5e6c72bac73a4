package asm

// PrefixName begins the name of the prefix of a function (Linux: CONFIG_PREFIX_SYMBOLS).
const PrefixName = "__pfx_"

// prefixable reports whether the CALLs of a function may go by the program's prefix. The
// return thunk that goes with it clobbers the flags, as the prefix does: functions that
// return something in them have neither.
func (f *Func) prefixable() bool { return f.ReturnSites && f.bits() == 64 && !f.ReturnsFlags() }

// ReturnsFlags reports whether Returns has named the flags.
func (f Func) ReturnsFlags() bool { return f.contract != nil && f.contract.returns&flagsBit != 0 }

// prefix puts a copy of the program's prefix in front of each function that a CALL may
// reach by it, and returns the functions with the copies.
func (a *assembler) prefix(p Program, encs []*encoded) []*encoded {
	if p.Prefix == nil {
		return encs
	}
	code := a.assemble(&Func{Name: PrefixName, Body: p.Prefix, prefix: true})
	if len(code.relocs) > 0 {
		a.rep.errorf(0, "Prefix names %s: its copies cannot", code.relocs[0].sym)
	}
	byName := map[string]*encoded{}
	for _, enc := range encs {
		if enc.fn.prefixable() {
			byName[enc.fn.Name] = enc
		}
	}
	for _, enc := range encs {
		if !enc.fn.ReturnSites && !enc.fn.CallsPrefixed || enc.fn.bits() != 64 {
			continue
		}
		for i := range enc.relocs {
			r := &enc.relocs[i]
			called := byName[r.sym]
			if called == nil || r.in.name != "CALL" || kindOf(r.in.args[0]) != kLabel {
				continue
			}
			r.called = called
			if called.prefix == nil {
				called.prefix = &encoded{
					fn:    &Func{Name: PrefixName + called.fn.Name, Doc: "the prefix of " + called.fn.Name, pc: called.fn.pc},
					bytes: code.bytes, lines: code.lines, names: code.names, prefixes: true,
				}
			}
		}
	}
	all := make([]*encoded, 0, len(encs))
	for _, enc := range encs {
		if enc.prefix != nil {
			all = append(all, enc.prefix)
		}
		all = append(all, enc)
	}
	return all
}

// room returns the number of bytes of the function's prefix.
func (enc *encoded) room() int {
	if enc.prefix == nil {
		return 0
	}
	return len(enc.prefix.bytes)
}

// putPrefix puts the function's prefix, which ends where the function begins, over the
// last bytes of b.
func (lk *linker) putPrefix(b []byte, enc *encoded) {
	if enc.prefix == nil {
		return
	}
	n := enc.room()
	copy(b[len(b)-n:], enc.prefix.bytes)
	enc.prefix.base = enc.base - uint64(n)
	lk.list = append(lk.list, Symbol{Name: enc.prefix.fn.Name, Addr: enc.prefix.base, Size: uint64(n), Func: true, Local: true})
}

// goesByPrefix returns the prefixes that the function's CALLs go by, by the places of
// these.
func (enc *encoded) goesByPrefix() map[int]string {
	if !enc.fn.CallsPrefixed {
		return nil
	}
	by := map[int]string{}
	for _, r := range enc.relocs {
		if r.called != nil {
			by[enc.lineAt(r.off).off] = r.called.prefix.fn.Name
		}
	}
	return by
}

// callSites returns the places of the distances of the CALLs that may be moved to
// prefixes, as the lowest 4 bytes of their addresses, and the size of a prefix, if there is
// one.
func callSites(encs []*encoded) (addrs, size []any) {
	for _, enc := range encs {
		if enc.prefix != nil {
			size = []any{uint64(enc.room())}
		}
		if !enc.fn.ReturnSites {
			continue
		}
		for _, r := range enc.relocs {
			if r.called != nil {
				addrs = append(addrs, uint32(enc.base+uint64(r.off)))
			}
		}
	}
	return addrs, size
}

// returnSites returns the addresses of the RETs of functions with ReturnSites, those that
// return flags apart.
func returnSites(encs []*encoded) (addrs, ofFlags []any) {
	for _, enc := range encs {
		for _, l := range enc.lines {
			switch at := enc.base + uint64(l.off); {
			case !enc.fn.ReturnSites || l.in.name != "RET":
			case enc.fn.ReturnsFlags():
				ofFlags = append(ofFlags, at)
			default:
				addrs = append(addrs, at)
			}
		}
	}
	return addrs, ofFlags
}

// siteTables returns what Link defines for the kernel to change its returns and calls.
func siteTables(encs []*encoded) []Data {
	rets, ofFlags := returnSites(encs)
	calls, size := callSites(encs)
	return []Data{
		{Name: "__return_sites", Content: rets},
		{Name: "__return_sites_flags", Content: ofFlags},
		{Name: "__return_sites_end"},
		{Name: "__call_sites", Content: calls},
		{Name: "__call_sites_end", Align: 4},
		{Name: "__call_prefix_size", Content: size},
	}
}
