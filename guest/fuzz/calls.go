package main

import (
	"syscall"
)

// A signature has a letter for each argument of a call:
//
//	f  a descriptor          p  a pointer           l  a length
//	t  a thread or process   s  a signal            n  any number: flags, an operation, a mode
//	T  a pointer to a short time-out, or a bad one  A, R  see arena and reserve in harmless
type signature string

// signatures are those of the calls that the kernel has, by number. The other numbers are
// tried with arguments of any kind.
var signatures = map[uint32]signature{
	0: "fpl", 1: "fpl", 2: "pnn", 3: "f", 4: "pp", 5: "fp", 6: "pp", 7: "pln", 8: "fnn", 9: "plnnfn", 10: "pln", 11: "pl",
	12: "p", 13: "sppn", 14: "nppn", 16: "fnp", 17: "fpln", 18: "fpln", 19: "fpl", 20: "fpl", 21: "pn", 22: "p",
	23: "npppT", 24: "", 25: "pllnp", 26: "pln", 27: "plp", 28: "pln", 32: "f", 33: "ff", 34: "", 35: "Tp", 36: "np", 37: "n",
	38: "npp", 39: "", 40: "ffpl", 56: "nppp", 59: "ppp", 61: "tpnp", 62: "ts", 63: "p", 72: "fnn", 73: "fn", 74: "f", 75: "f", 76: "pn", 77: "fn",
	79: "pl", 80: "p", 81: "f", 82: "pp", 83: "pn", 84: "p", 85: "pn", 86: "pp", 87: "p", 88: "pp", 89: "ppl", 90: "pn", 91: "fn",
	95: "n", 96: "pp", 97: "np", 98: "np", 99: "p", 100: "p", 102: "", 109: "tt", 110: "", 111: "", 112: "", 115: "np", 118: "ppp", 120: "ppp",
	121: "t", 124: "t", 127: "pn", 128: "ppTn", 129: "tsp", 130: "pn", 131: "pp", 137: "pp", 138: "fp", 140: "nt", 141: "ntn", 142: "tp", 143: "tp",
	144: "tnp", 145: "t", 146: "n", 147: "n", 148: "tp", 149: "pl", 150: "pl", 151: "n", 152: "", 157: "nnnnn", 158: "np", 160: "np",
	162: "", 186: "", 187: "fnl", 200: "ts", 201: "p", 202: "pnnTpn", 203: "tlp", 204: "tlp", 213: "n", 217: "fpl", 218: "p",
	221: "fnnn", 222: "npp", 223: "nnpp", 224: "np", 225: "n", 226: "n", 227: "np", 228: "np", 229: "np", 230: "nnTp",
	232: "fpnn", 233: "fnfp", 234: "tts", 235: "pp", 247: "ntpnp", 254: "fpn", 257: "fpnn", 258: "fpn", 262: "fppn", 263: "fpn", 264: "fpfp",
	267: "fppl", 268: "fpn", 269: "fpn", 270: "npppTp", 271: "plTpn", 273: "pl", 274: "tpp", 277: "fnnn", 280: "fppn", 281: "fpnnpn",
	283: "nn", 284: "n", 285: "fnnn", 286: "fnpp", 287: "fp", 288: "fppn", 290: "nn", 291: "n", 292: "ffn", 293: "pn",
	295: "fplnn", 296: "fplnn", 297: "ttsp", 302: "tnpp", 306: "f", 309: "ppp", 314: "tpn", 315: "tpnn", 316: "fpfpn", 318: "pln", 319: "pn",
	324: "nnn", 325: "pln", 332: "fpnnp", 334: "plnn", 326: "fpfpln", 327: "fplnnn", 328: "fplnnn", 436: "ffn", 437: "fppl", 439: "fpnn", 452: "fpnn", 449: "pnnT", 454: "pnn", 455: "pnnnTn",
}

// numbers is how many call numbers are tried, from 0 on; Linux 6.12 has 463.
const numbers = 600

// The calls that a thread may not make: it would end itself or the process, become
// another program, continue with two threads on one stack, or stop for a tracer.
var forbidden = map[uint32]bool{
	syscall.SYS_RT_SIGRETURN: true,
	syscall.SYS_CLONE:        true, // see spawnThread
	syscall.SYS_FORK:         true,
	syscall.SYS_VFORK:        true,
	syscall.SYS_EXIT:         true,
	syscall.SYS_EXIT_GROUP:   true,
	syscall.SYS_PTRACE:       true,
	322:                      true, // execveat
	435:                      true, // clone3
}
