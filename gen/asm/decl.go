package asm

import "reflect"

// Funcs makes the functions that the given Go functions declare, in the order in
// memory.
func Funcs(decls ...func() Func) []Func {
	fns := make([]Func, len(decls))
	for i, decl := range decls {
		fns[i] = decl()
		fns[i].decl = declared(decl)
	}
	return fns
}

// EXTERN declares a function of another part of the program, to be called from
// this one.
func EXTERN(name string) Func { return Func{Name: name, pc: callerPC(2)} }

// EXTERNDATA declares data of another part of the program, or a symbol of
// Link's own.
func EXTERNDATA(name string) Data { return Data{Name: name, pc: callerPC(2)} }

// declared tells declarations apart, except that all closures of one function
// literal, and all method values of one method, are the same.
func declared(decl func() Func) uintptr { return reflect.ValueOf(decl).Pointer() }

// Symbolic is what has an address: a function, data, or the name of either.
type Symbolic interface {
	string | Data | func() Data | func() Func
}

// symbolOf returns the name, or the function that has it.
func symbolOf[S Symbolic](s S) (name string, fn *func() Func) {
	switch s := any(s).(type) {
	case string:
		return s, nil
	case Data:
		return s.Name, nil
	case func() Data:
		return s().Name, nil
	case func() Func:
		return "", &s
	}
	panic("asm: not Symbolic")
}

// names are the names of a program's functions by their declarations, "" where
// several functions have the same.
type names map[uintptr]string

func namesOf(fns []Func) names {
	n := names{}
	for _, fn := range fns {
		if old, ok := n[fn.decl]; ok && old != fn.Name {
			n[fn.decl] = ""
		} else {
			n[fn.decl] = fn.Name
		}
	}
	return n
}

// of returns the name of the function that decl declares.
func (n names) of(decl func() Func) string {
	if name := n[declared(decl)]; name != "" {
		return name
	}
	return decl().Name
}

// resolve replaces what an instruction's operands name by its name.
func (n names) resolve(in *Ins) {
	for i, arg := range in.args[:in.nargs] {
		switch a := arg.(type) {
		case func() Func:
			in.args[i] = n.of(a)
		case Mem:
			if a.fn != nil {
				a.Sym, a.fn = n.of(*a.fn), nil
				in.args[i] = a
			}
		}
	}
}
