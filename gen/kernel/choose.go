package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// variantsHere is the address of the copy of variants that this boot uses.
var variantsHere = BSS("variants_here", 8, 8)

func variantName() Data {
	names := SizeOf[[32]Mem]()
	return BSS("variant_name", names+8, 8)
}

var variantAsked = BSS("variant_asked", 8, 8)

func variantsInit() Func {
	descPtr, index, lacked := RBX, R12, R13
	missing := R12 // what the CPU lacks for the variant that was asked for
	desc := variant(descPtr)
	size := SizeOf[layout.VariantDesc[Mem]]()
	names := SizeOf[[32]Mem]()
	return FUNC("variants_init",
		`variants_init selects the variant that variant=NAME on the command line asks for,
else the first with which init can run. Fails by boot_fail.`,
		MOVQ(answer.Boot, RAX), // each boot of a series takes the next copy
		SUBQ(1, RAX),
		IF(B, XORL(RAX, RAX)),
		XORL(RDX, RDX),
		DIVQ(Sym(variantsCopies)),
		MOVQ(RDX, RAX),
		IMULQ(Sym(variantsCount), RAX),
		IMULQ(size, RAX),
		LEAQ(Sym(variants), RCX),
		ADDQ(RCX, RAX),
		MOVQ(RAX, Sym(variantsHere)),
		XORL(index, index),   // index
		XORL(lacked, lacked), // what the CPU lacks for any of them
		MOVQ(Sym(variantsHere), descPtr),
		CMPQ(Sym(variantAsked), 0),
		IF(E,
			LOOP(
				CMPQ(index, Sym(variantsCount)),
				IF(E,
					tell("the image has no variant that init can run with"),
					TESTQ(lacked, lacked),
					IF(NE,
						tell(" on this CPU, which lacks:"),
						MOVQ(lacked, RDI),
						CALL(messageFeatures),
					),
					JMP(bootFailMessage),
				),
				lacks(desc),
				ORQ(RAX, lacked),
				ORQ(desc.Info.Bare, RAX),
				BREAK(E),
				ADDQ(size, descPtr),
				INCQ(index),
			),
		).ELSE(
			LOOP(
				CMPQ(index, Sym(variantsCount)),
				IF(E, JMP(variantUnknown)),
				LEAQ(desc.Info.Name[0], RDI),
				LEAQ(Sym(variantName), RSI),
				MOVL(names, RCX),
				REPE(CMPSB()),
				BREAK(E),
				ADDQ(size, descPtr),
				INCQ(index),
			),
			CMPQ(desc.Info.Bare, 0),
			IF(NE,
				tell("init cannot run with the variant "),
				LEAQ(Sym(variantName), RDI),
				CALL(message),
				tell(", which answers only the null call"),
				JMP(bootFailMessage),
			),
			lacks(desc),
			IF(NE,
				MOVQ(RAX, missing),
				tell("this CPU lacks what the variant "),
				LEAQ(Sym(variantName), RDI),
				CALL(message),
				tell(" needs:"),
				MOVQ(missing, RDI),
				CALL(messageFeatures),
				JMP(bootFailMessage),
			),
		),
		MOVQ(index, RDI),
		CALL(sysVariantSelect),
		RETURN(),
	).Saving(RBX, R12, R13).Takes()
}

func variantUnknown() Func {
	descPtr, left := RBX, R12
	desc := variant(descPtr)
	size := SizeOf[layout.VariantDesc[Mem]]()
	return FUNC("variant_unknown", "variant_unknown fails the boot: the image has no variant variant_name. Lists those that it has.",
		tell("no variant "),
		LEAQ(Sym(variantName), RDI),
		CALL(message),
		tell("; the image has "),
		MOVQ(Sym(variantsHere), descPtr),
		MOVQ(Sym(variantsCount), left),
		LOOP(
			LEAQ(desc.Info.Name[0], RDI),
			CALL(message),
			ADDQ(size, descPtr),
			DECQ(left),
			BREAK(E),
			tell(", "),
		),
		JMP(bootFailMessage),
	).Takes().NoReturn()
}

func setVariant() Func {
	names := SizeOf[[32]Mem]()
	return FUNC("set_variant",
		`set_variant makes the string RDI, padded with zeros and cut to its size,
variant_name: the variant that variant= on the command line asks for.`,
		MOVQ(1, Sym(variantAsked)),
		LEAQ(Sym(variantName), RDX),
		XORL(RCX, RCX),
		DO(
			MOVZBL(RDI.At(0), RAX),
			MOVB(RAX, RDX.Index(RCX, 1)),
			CMPL(RAX, 1), // CF at the end
			SBBQ(-1, RDI),
			INCL(RCX),
			CMPL(RCX, names),
		).WHILE(NE),
		RETURN(),
	).Takes(RDI)
}
