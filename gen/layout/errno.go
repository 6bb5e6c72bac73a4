package layout

// ENOSYS is Linux's error number for a call that does not exist, which returns it
// negated (include/uapi/asm-generic/errno.h). The entry paths put it into the
// frame, so the kernel, the stubs and their proof all take it from here.
const ENOSYS = 38
