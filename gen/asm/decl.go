package asm

import "reflect"

// Funcs makes the functions that the given Go functions declare, in their order in
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

// EXTERNDATA declares data of another part of the program, or a symbol that Link
// defines.
func EXTERNDATA(name string) Data { return Data{Name: name, pc: callerPC(2)} }

// declared returns a value that tells declarations apart, except that all closures of
// one function literal have the same, as have all method values of one method.
func declared(decl func() Func) uintptr { return reflect.ValueOf(decl).Pointer() }

// Symbolic is anything that has an address: a function, data, or the name of either.
type Symbolic interface {
	string | Data | func() Data | func() Func
}

// symbolOf returns a symbol's name, or the function that declares it.
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

// names holds the name of each declaration's function, "" where one declaration makes
// functions of several names.
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

// resolve replaces the declarations in an instruction's operands by names.
func (n names) resolve(in *instruction) {
	for i, arg := range in.operands() {
		switch a := arg.(type) {
		case func() Func:
			in.args[i] = n.of(a)
		case Mem:
			if fn := a.get().fn; fn != nil {
				in.args[i] = a.named(n.of(*fn))
			}
		}
	}
}
