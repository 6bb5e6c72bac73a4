package layout

// The structures that UEFI firmware hands over (UEFI Specification 2.10, 4.3 to 4.6 and
// the sections named below), in words: a field of 32 bits is the lower half of its word.

// EFISystemTable is EFI_SYSTEM_TABLE.
type EFISystemTable[T any] struct {
	Header               [3]T
	FirmwareVendor       T
	FirmwareRevision     T
	ConsoleInHandle      T
	ConIn                T
	ConsoleOutHandle     T
	ConOut               T // EFITextOutput
	StandardErrorHandle  T
	StdErr               T
	RuntimeServices      T
	BootServices         T // EFIBootServices
	NumberOfTableEntries T
	ConfigurationTable   T // EFIConfigurationTable each
}

// EFIBootServices is EFI_BOOT_SERVICES as far as the kernel calls it.
type EFIBootServices[T any] struct {
	Header                                                     [3]T
	RaiseTPL, RestoreTPL                                       T
	AllocatePages, FreePages, GetMemoryMap, AllocatePool       T
	FreePool                                                   T
	CreateEvent, SetTimer, WaitForEvent, SignalEvent           T
	CloseEvent, CheckEvent                                     T
	InstallProtocolInterface, ReinstallProtocolInterface       T
	UninstallProtocolInterface, HandleProtocol, Reserved       T
	RegisterProtocolNotify, LocateHandle, LocateDevicePath     T
	InstallConfigurationTable                                  T
	LoadImage, StartImage, Exit, UnloadImage, ExitBootServices T
	GetNextMonotonicCount, Stall, SetWatchdogTimer             T
	ConnectController, DisconnectController                    T
	OpenProtocol, CloseProtocol, OpenProtocolInformation       T
	ProtocolsPerHandle, LocateHandleBuffer, LocateProtocol     T
}

// EFIRuntimeServices is EFI_RUNTIME_SERVICES (4.5).
type EFIRuntimeServices[T any] struct {
	Header                                         [3]T
	GetTime, SetTime, GetWakeupTime, SetWakeupTime T
	SetVirtualAddressMap, ConvertPointer           T
	GetVariable, GetNextVariableName, SetVariable  T
	GetNextHighMonotonicCount, ResetSystem         T
}

// Attributes of variables (8.2).
const (
	EfiVariableNonVolatile = 1
	EfiVariableBootService = 2
	EfiVariableRuntime     = 4
)

// EFITextOutput is EFI_SIMPLE_TEXT_OUTPUT_PROTOCOL (12.4) as far as it is called.
type EFITextOutput[T any] struct {
	Reset, OutputString, TestString, QueryMode, SetMode T
	SetAttribute, ClearScreen, SetCursorPosition        T
	EnableCursor                                        T
	Mode                                                T // EFITextMode
}

// EFITextMode is SIMPLE_TEXT_OUTPUT_MODE up to the mode: fields of 32 bits.
type EFITextMode[T any] struct{ MaxMode T } // Mode is its upper half

// EFILoadedImage is EFI_LOADED_IMAGE_PROTOCOL (9.1) up to the load options: a text
// of 16-bit characters, or whatever else the boot option holds.
type EFILoadedImage[T any] struct {
	Revision, ParentHandle, SystemTable T
	DeviceHandle, FilePath, Reserved    T
	LoadOptionsSize, LoadOptions        T
}

// EFIFileSystem is EFI_SIMPLE_FILE_SYSTEM_PROTOCOL (13.4).
type EFIFileSystem[T any] struct{ Revision, OpenVolume T }

// EFIFile is EFI_FILE_PROTOCOL (13.5), of its first revision.
type EFIFile[T any] struct {
	Revision, Open, Close, Delete, Read, Write        T
	GetPosition, SetPosition, GetInfo, SetInfo, Flush T
}

// EFIFileSystemInfo is EFI_FILE_SYSTEM_INFO (13.5) up to the volume's label.
type EFIFileSystemInfo[T any] struct {
	Size       T
	ReadOnly   T // its lowest byte
	VolumeSize T // bytes
	FreeSpace  T // bytes
	BlockSize  T // its lower half, in bytes
}

// EFIGraphicsOutput is EFI_GRAPHICS_OUTPUT_PROTOCOL (12.9).
type EFIGraphicsOutput[T any] struct {
	QueryMode, SetMode, Blt T
	Mode                    T // EFIGraphicsMode
}

// EFIGraphicsMode is EFI_GRAPHICS_OUTPUT_PROTOCOL_MODE.
type EFIGraphicsMode[T any] struct {
	MaxMode, Info, SizeOfInfo            T // MaxMode: 32 bits each, Mode after it; Info: EFIGraphicsInfo
	FrameBufferBase, FrameBufferByteSize T
}

// EFIGraphicsInfo is EFI_GRAPHICS_OUTPUT_MODE_INFORMATION: fields of 32 bits, two in a
// word.
type EFIGraphicsInfo[T any] struct {
	Version     T // HorizontalResolution is its upper half
	Vertical    T // PixelFormat is its upper half
	Masks       [2]T
	PerScanLine T // in pixels; the lower half
}

// EfiPixelBitMask and the formats below it have pixels of 32 bits in memory, if all masks
// together are that wide; EfiPixelBltOnly has none.
const (
	EfiPixelBitMask = 2
	EfiPixelBltOnly = 3
)

// EfiByProtocol is a way to search for handles (7.3).
const EfiByProtocol = 2

// EFIConfigurationTable is EFI_CONFIGURATION_TABLE.
type EFIConfigurationTable[T any] struct {
	GUID  [2]T
	Table T
}

// EFIMemoryDescriptor is EFI_MEMORY_DESCRIPTOR (7.2); the firmware says how long it is.
type EFIMemoryDescriptor[T any] struct {
	Type, PhysicalStart, VirtualStart, NumberOfPages, Attribute T
}

// Types of memory (UEFI Specification 2.10, table 7.6). Memory of these five types is
// free after ExitBootServices, except what the kernel itself has allocated.
const (
	EfiLoaderCode         = 1
	EfiLoaderData         = 2
	EfiBootServicesCode   = 3
	EfiBootServicesData   = 4
	EfiConventionalMemory = 7
)

// Modes of EFIFile.Open (UEFI Specification 2.10, 13.5).
const (
	EfiFileModeRead   = 1
	EfiFileModeWrite  = 2
	EfiFileModeCreate = 1 << 63
)

// Status codes, without the highest bit, which they all have (UEFI Specification 2.10,
// table D.3).
const (
	EfiDeviceError    = 7
	EfiWriteProtected = 8
	EfiVolumeFull     = 11
	EfiNotFound       = 14
	EfiAccessDenied   = 15
)

// Ways of AllocatePages (UEFI Specification 2.10, 7.2).
const (
	EfiAllocateMaxAddress = 1
	EfiAllocateAddress    = 2
)
