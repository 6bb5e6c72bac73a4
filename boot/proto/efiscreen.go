package proto

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

var (
	guidGraphicsOutput   = guid{0x4a38_23dc_9042_a9de, 0x6a51_80d0_de7a_fb96}
	guidConsoleOutDevice = guid{0x11d2_8ca6_d3b3_6f2a, 0x4dc1_3f27_9000_b0b9}
)

// Screens returns the functions that find what the kernel has to know of the firmware's
// screens.
func Screens() Program {
	var (
		systab = Fields[layout.EFISystemTable[Mem]](R12)
		bs     = Fields[layout.EFIBootServices[Mem]](RBX)
		gop    = Fields[layout.EFIGraphicsOutput[Mem]](RAX)
		mode   = Fields[layout.EFIGraphicsMode[Mem]](RDI)
		info   = Fields[layout.EFIGraphicsInfo[Mem]](RDX)
		text   = Fields[layout.EFITextOutput[Mem]](RCX)
		stack  = RSP.At
	)
	const frame = efiFrame + 8
	ask := func(protocol string) Block { // the handle at efiStep for a protocol
		return Block{
			MOVQ(stack(efiStep), RCX),
			LEAQ(Sym(protocol), RDX),
			LEAQ(stack(efiWord), R8),
			CALL(bs.HandleProtocol),
		}
	}
	return Program{
		Funcs: []Func{
			FUNC("efi_screen",
				`efi_screen enters a screen of pixels in boot_params, if there is one: the first,
or the first on which the firmware shows its console. RBX and R12 are as in efi_main.
Clobbers RSI, RDI, R14, R15.`,
				SUBQ(frame, RSP),
				MOVL(layout.EfiByProtocol, RCX),
				LEAQ(Sym("efi_graphics_output"), RDX),
				XORL(R8, R8),
				LEAQ(stack(efiWord), R9),
				LEAQ(stack(efiKey), RAX),
				MOVQ(RAX, stack(efiArg5)),
				CALL(bs.LocateHandleBuffer),
				TESTQ(RAX, RAX),
				JNE("out"),
				MOVQ(stack(efiWord), R15),
				MOVQ(stack(efiKey), RSI),
				LOOP(
					SUBQ(1, R15),
					BREAK(B),
					MOVQ(RSI.At(0), RAX),
					MOVQ(RAX, stack(efiStep)),
					ADDQ(8, RSI),
					ask("efi_console_out_device"),
					MOVQ(RAX, R14), // 0: the firmware's console is there
					TESTQ(R14, R14),
					IF(NE,
						CMPB(params.Screen.Type.Add(layout.ScreenInfoType), layout.ScreenInfoEFI),
						CONTINUE(E),
					),
					ask("efi_graphics_output"),
					TESTQ(RAX, RAX),
					CONTINUE(NE),
					MOVQ(stack(efiWord), RAX),
					MOVQ(gop.Mode, RDI),
					MOVQ(mode.Info, RDX),
					CMPQ(mode.FrameBufferBase, 0),
					CONTINUE(E),
					CMPL(info.Vertical.Add(4), layout.EfiPixelBltOnly),
					CONTINUE(AE),
					CMPL(info.Vertical.Add(4), layout.EfiPixelBitMask),
					IF(E,
						MOVL(info.Masks[0], RAX),
						ORL(info.Masks[0].Add(4), RAX),
						ORL(info.Masks[1], RAX),
						ORL(info.Masks[1].Add(4), RAX),
						INCL(RAX),
						CONTINUE(NE), // not 32 bits
					),
					MOVQ(mode.FrameBufferBase, RAX),
					MOVL(RAX, params.Screen.Base),
					SHRQ(32, RAX),
					MOVL(RAX, params.Screen.ExtBase.Add(layout.ScreenInfoExtBase)),
					MOVL(info.Version.Add(4), RAX),
					MOVW(RAX, params.Screen.Size.Add(layout.ScreenInfoSize)),
					MOVL(info.Vertical, RAX),
					MOVW(RAX, params.Screen.Size.Add(layout.ScreenInfoSize+2)),
					MOVW(32, params.Screen.Size.Add(layout.ScreenInfoSize+4)),
					MOVL(info.PerScanLine, RAX),
					SHLL(2, RAX),
					MOVW(RAX, params.Screen.Pitch.Add(layout.ScreenInfoPitch)),
					MOVB(layout.ScreenInfoEFI, params.Screen.Type.Add(layout.ScreenInfoType)),
					TESTQ(R14, R14),
					BREAK(E),
				),
				LABEL("out"),
				ADDQ(frame, RSP),
				RET(),
			),
			FUNC("efi_last_rows",
				`efi_last_rows makes the firmware's console go on in its last rows, below what the
kernel has written on a screen of pixels. R12 is as in efi_main.`,
				SUBQ(frame, RSP),
				CMPB(params.Screen.Type.Add(layout.ScreenInfoType), layout.ScreenInfoEFI),
				JNE("out"),
				MOVQ(systab.ConOut, RCX),
				MOVQ(text.Mode, RAX),
				MOVL(Fields[layout.EFITextMode[Mem]](RAX).MaxMode.Add(4), RDX),
				LEAQ(stack(efiWord), R8),
				LEAQ(stack(efiKey), R9),
				CALL(text.QueryMode),
				TESTQ(RAX, RAX),
				JNE("out"),
				MOVQ(systab.ConOut, RCX),
				XORL(RDX, RDX),
				MOVQ(stack(efiKey), R8),
				SUBQ(efiLastRows, R8),
				CALL(text.SetCursorPosition),
				LABEL("out"),
				ADDQ(frame, RSP),
				RET(),
			),
		},
		Data: []Data{
			RODATA("efi_graphics_output", guidGraphicsOutput[0], guidGraphicsOutput[1]),
			RODATA("efi_console_out_device", guidConsoleOutDevice[0], guidConsoleOutDevice[1]),
		},
	}
}

// efiLastRows is how many rows the firmware has to say something in the end: a line of each
// file and one of the boots, each behind the end of a line, and the row of the cursor, so that
// it does not scroll what the kernel has written.
const efiLastRows = 5
