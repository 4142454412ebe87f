/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names shared by the entry assembly and C: offsets in the cpu block and the
 * frame, and the labels that the restart rules compare with.
 */
#ifndef JIFFY_KERNEL_CPU_ENTRY_H
#define JIFFY_KERNEL_CPU_ENTRY_H

#define CPU_CURRENT 0
#define CPU_KERNEL_SP 8
#define CPU_SELF 16
#define CPU_KICKED 24

#define FRAME_SIZE 168
#define FRAME_R15 0
#define FRAME_R14 8
#define FRAME_R13 16
#define FRAME_R12 24
#define FRAME_RBP 32
#define FRAME_RBX 40
#define FRAME_R10 56
#define FRAME_R9 64
#define FRAME_R8 72
#define FRAME_RAX 80
#define FRAME_RDX 96
#define FRAME_RSI 104
#define FRAME_RDI 112
#define FRAME_RIP 128
#define FRAME_CS 136
#define FRAME_EFLAGS 144
#define FRAME_RSP 152

#define EFLAGS_TF 0x100
#define EFLAGS_DF 0x400
#define EFLAGS_NT 0x4000
#define EFLAGS_AC 0x40000
/* Flags that the kernel must not run with; the program may have set them. */
#define EFLAGS_ODD (EFLAGS_TF | EFLAGS_DF | EFLAGS_NT | EFLAGS_AC)

#define USER_CS 0x33
#define USER_SS 0x2b

#ifndef __ASSEMBLER__

#include "kernel/cpu/frame.h"

_Static_assert(sizeof(struct frame) == FRAME_SIZE, "asm");
#define FRAME_ASSERT(reg, at) \
	_Static_assert(offsetof(struct frame, reg) == (at), "asm")
FRAME_ASSERT(r15, FRAME_R15);
FRAME_ASSERT(r14, FRAME_R14);
FRAME_ASSERT(r13, FRAME_R13);
FRAME_ASSERT(r12, FRAME_R12);
FRAME_ASSERT(rbp, FRAME_RBP);
FRAME_ASSERT(rbx, FRAME_RBX);
FRAME_ASSERT(r10, FRAME_R10);
FRAME_ASSERT(r9, FRAME_R9);
FRAME_ASSERT(r8, FRAME_R8);
FRAME_ASSERT(rax, FRAME_RAX);
FRAME_ASSERT(rdx, FRAME_RDX);
FRAME_ASSERT(rsi, FRAME_RSI);
FRAME_ASSERT(rdi, FRAME_RDI);
FRAME_ASSERT(rip, FRAME_RIP);
FRAME_ASSERT(cs, FRAME_CS);
FRAME_ASSERT(eflags, FRAME_EFLAGS);
FRAME_ASSERT(rsp, FRAME_RSP);

/* Where stubs of patched sites jump: rax number, rcx return address. */
extern const char fast_entry[];
/* Before this GS may still be what the program made of it. */
extern const char fast_entry_on_stack[];
/* Jump here with rsp at the frame: leave the kernel. */
extern const char exit_to_user[];
/* Between these the frame in memory is whole and no C code runs: any entry
 * here goes back to exit_restart. */
extern const char exit_window_start[], exit_window_end[], exit_restart[];
/* Switch to stack sp and call fn(arg), which must not return. */
_Noreturn void stack_call(u64 sp, void (*fn)(void *arg), void *arg);
/* Leave the kernel by f, which lies at the top of the kernel stack. */
_Noreturn void exit_frame(struct frame *f);
/* Save callee-saved registers and the stack pointer in *save_sp, switch to
 * stack sp and call fn(arg); returns when switch_back(save_sp value) is
 * called. */
void switch_to(u64 *save_sp, u64 sp, void (*fn)(void *arg), void *arg);
_Noreturn void switch_back(u64 sp);
/* The same as switch_to(), but fn runs below on the same stack. */
void save_and_call(u64 *save_sp, void (*fn)(void *arg), void *arg);

#endif
#endif
