package layout

// ENOSYS is Linux's error number of a call that nothing answers, which returns it
// negated (include/uapi/asm-generic/errno.h). The entry paths put it into the
// frame, so the kernel, the stubs and their proof all take it from here.
const ENOSYS = 38
