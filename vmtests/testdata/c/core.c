// core: what is in the core of a child that a signal ends, with an RSP and a word on its stack that
// are known, and who leaves no core. Linux must have the core_pattern "core".
#include "check.h"

#include <elf.h>
#include <sys/prctl.h>
#include <sys/procfs.h>
#include <sys/resource.h>
#include <sys/user.h>
#include <sys/wait.h>

enum how { BY_ABORT, BY_UD2, BY_KILL };

static unsigned long stack[1024] __attribute__((aligned(16)));
static const unsigned long magic = 0x0123456789abcdef, marker = 0x1212121212121212;
extern char ud2[] __asm__("ud2_of_a_child");

// dies ends the process with RSP at the middle of stack, after a call with another RSP.
static void dies(enum how how)
{
	unsigned long *sp = &stack[512];
	int sig = how == BY_KILL ? SIGKILL : SIGABRT;
	*sp = magic;
	asm volatile("lea -256(%0), %%rsp\n\t"
		     "mov %1, %%eax\n\t"
		     "syscall\n\t"
		     "mov %0, %%rsp\n\t"
		     "mov %2, %%r12\n\t"
		     "mov %%eax, %%edi\n\t"
		     "mov %4, %%esi\n\t"
		     "mov %3, %%eax\n\t"
		     "test %5, %5\n\t"
		     "jnz 1f\n\t"
		     "syscall\n"
		     "1:\n"
		     "ud2_of_a_child: ud2" ::"b"(sp),
		     "i"(SYS_getpid), "r"(marker), "i"(SYS_kill), "r"(sig), "r"((int)(how == BY_UD2))
		     : "rax", "rcx", "r11", "rdi", "rsi", "r12", "memory");
	__builtin_unreachable();
}

static pid_t ended;

// status is the wait status of a child that dies.
static int status(enum how how, rlim_t limit, int dumpable)
{
	int st = 0;
	ended = fork();
	if (ended == 0) {
		struct rlimit r = {limit, limit};
		if (setrlimit(RLIMIT_CORE, &r) != 0 || (!dumpable && prctl(PR_SET_DUMPABLE, 0) != 0))
			_exit(1);
		dies(how);
	}
	waitpid(ended, &st, 0);
	return st;
}

static char core[1 << 22] __attribute__((aligned(4096))); // not in a core itself
static long size;

static void read_core(void)
{
	int fd = open("core", O_RDONLY);
	size = 0;
	CHECK(fd >= 0, "core: %s", strerror(errno));
	for (long n; fd >= 0 && (n = read(fd, core + size, sizeof core - size)) > 0;)
		size += n;
	close(fd);
}

// looks checks the core of the last child.
static void looks(int sig, unsigned long rip)
{
	read_core();
	Elf64_Ehdr *e = (Elf64_Ehdr *)core;
	CHECK(size > (long)sizeof *e && memcmp(e->e_ident, ELFMAG "\2\1\1", 7) == 0 && e->e_type == ET_CORE && e->e_machine == EM_X86_64, "%ld bytes", size);
	Elf64_Phdr *p = (Elf64_Phdr *)(core + e->e_phoff);
	struct user_regs_struct regs = {0};
	int notes = 0;
	for (int i = 0; i < e->e_phnum; i++) {
		if (p[i].p_type != PT_NOTE)
			continue;
		for (char *at = core + p[i].p_offset; at < core + p[i].p_offset + p[i].p_filesz;) {
			Elf64_Nhdr *n = (Elf64_Nhdr *)at;
			char *desc = at + sizeof *n + ((n->n_namesz + 3) & ~3u);
			if (n->n_type == NT_PRSTATUS && notes++ == 0) {
				struct elf_prstatus s;
				CHECK(n->n_descsz == sizeof s && strcmp(at + sizeof *n, "CORE") == 0, "%u bytes of %s", n->n_descsz, at + sizeof *n);
				memcpy(&s, desc, sizeof s);
				memcpy(&regs, &s.pr_reg, sizeof regs);
				CHECK(s.pr_pid == ended && s.pr_ppid == getpid() && s.pr_pgrp == getpgrp(), "pid %d of %d, group %d", s.pr_pid, s.pr_ppid, s.pr_pgrp);
				CHECK(s.pr_cursig == sig && s.pr_info.si_signo == sig, "signal %d, %d", s.pr_cursig, s.pr_info.si_signo);
			}
			at = desc + ((n->n_descsz + 3) & ~3u);
		}
	}
	CHECK(notes == 1, "%d NT_PRSTATUS", notes);
	CHECK(regs.rsp == (unsigned long)&stack[512], "rsp %llx, want %p", regs.rsp, (void *)&stack[512]);
	CHECK(regs.r12 == marker && regs.cs == 0x33 && regs.ss == 0x2b, "r12 %llx, cs %llx, ss %llx", regs.r12, regs.cs, regs.ss);
	CHECK(regs.rip == rip, "rip %llx, want %lx", regs.rip, rip);
	int found = 0;
	for (int i = 0; i < e->e_phnum; i++) {
		if (p[i].p_type == PT_LOAD && p[i].p_vaddr <= regs.rsp && regs.rsp + 8 <= p[i].p_vaddr + p[i].p_filesz) {
			unsigned long *word = (unsigned long *)(core + p[i].p_offset + (regs.rsp - p[i].p_vaddr));
			found = (char *)(word + 1) <= core + size;
			CHECK(found && *word == magic, "another word at rsp");
		}
	}
	CHECK(found, "nothing at rsp");
}

static void in_a_call(void)
{
	int st = status(BY_ABORT, RLIM_INFINITY, 1);
	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGABRT && WCOREDUMP(st), "status %x", st);
	looks(SIGABRT, (unsigned long)ud2);
}

static void by_exception(void)
{
	int st = status(BY_UD2, RLIM_INFINITY, 1);
	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGILL && WCOREDUMP(st), "status %x", st);
	looks(SIGILL, (unsigned long)ud2);
}

static void none(void)
{
	static const struct {
		enum how how;
		rlim_t limit;
		int dumpable, want;
	} cases[] = {{BY_ABORT, 0, 1, SIGABRT}, {BY_ABORT, 4095, 1, SIGABRT}, {BY_ABORT, RLIM_INFINITY, 0, SIGABRT}, {BY_KILL, RLIM_INFINITY, 1, SIGKILL}};
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		int st = status(cases[i].how, cases[i].limit, cases[i].dumpable);
		CHECK(st == cases[i].want, "case %u: status %x", i, st);
	}
}

static void cut_off(void)
{
	int st = status(BY_ABORT, 6000, 1);
	CHECK(st == (SIGABRT | 0x80), "status %x", st);
	read_core();
	CHECK(0 < size && size <= 6000, "%ld bytes", size);
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	madvise(core, sizeof core, MADV_DONTDUMP); // a core of entrylab has the stack alone
	CHECK(open("core", O_RDONLY) < 0 && errno == ENOENT, "a core before anybody has dumped one: %s", strerror(errno));
	RUN(none);
	CHECK(open("core", O_RDONLY) < 0 && errno == ENOENT, "a core of nobody: %s", strerror(errno));
	RUN(in_a_call);
	RUN(by_exception);
	RUN(cut_off);
	RUN(in_a_call);
	return finish();
}
