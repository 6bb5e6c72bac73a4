# Follows one system call from SYSCALL to SYSRETQ; docs/boot.md explains what is seen.
# gdb starts the machine itself, stopped, and ends it.
set pagination off
set confirm off
target remote | exec qemu-system-x86_64 -M microvm,acpi=off -cpu max -m 128 -no-reboot -display none -serial null -device isa-debug-exit,iobase=0xf4,iosize=4 -kernel images/call.elf -gdb stdio -S
hbreak entry_SYSCALL_64
continue
echo \n1. SYSCALL has arrived\n
printf "number %d   RCX (user RIP) %#lx   R11 (user RFLAGS) %#lx   RSP (still the user's) %#lx\n", $rax, $rcx, $r11, $rsp
printf "CS %#x   SS %#x   IF %d\n", $cs, $ss, ($eflags >> 9) & 1
x/4i $pc
stepi 3
echo \n2. On the kernel's stack\n
printf "RSP %#lx   saved in old_rsp: %#lx\n", $rsp, *(long *)($gs_base + 0)
x/3i $pc
tbreak *entry_SYSCALL_64_after_hwframe
delete 1
continue
echo \n3. The frame is there\n
x/15gx $rsp
x/5i $pc
stepi 6
echo \n4. In the handler\n
info symbol $pc
tbreak *(*(long *)$rsp)
continue
echo \n5. Back, with the result\n
printf "RAX %#lx\n", $rax
tbreak *syscall_return_via_sysret
continue
x/12i $pc
stepi 11
echo \n6. Before SYSRETQ: the user's registers\n
printf "RCX %#lx   R11 %#lx   RSP %#lx   RAX %#lx\n", $rcx, $r11, $rsp, $rax
stepi
echo \n7. In ring 3\n
printf "CS %#x   SS %#x   RIP %#lx   RSP %#lx\n", $cs, $ss, $rip, $rsp
# QEMU is gone before gdb has let go of it, or not: neither is an error.
python
for command in "monitor quit", "disconnect":
    try:
        gdb.execute(command, to_string=True)
    except gdb.error:
        pass
end
