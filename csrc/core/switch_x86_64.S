/*
 * switch_x86_64.S: System V ABI. Callee-saved: rbx rbp r12-r15, the mxcsr
 * control bits and the x87 control word (psABI 1.0, section 3.2.1).
 * Shadow stacks (CET) must be off: a switch returns to an address that the
 * shadow stack of the left frames does not hold. neap is therefore built with
 * -fcf-protection=none and not marked SHSTK, and the loader then keeps shadow
 * stacks off for the process.
 *
 * The saved frame, from the stack pointer up:
 *   0 mxcsr, 4 x87 control word, 8 r15, 16 r14, 24 r13, 32 r12, 40 rbx,
 *   48 rbp, 56 return address
 */
	.text

	/* Saves this stack and goes over to the other one. */
	.macro change_stack
	pushq %rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	pushq %rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	pushq %r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r12, 0
	pushq %r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r13, 0
	pushq %r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r14, 0
	pushq %r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r15, 0
	subq $8, %rsp
	.cfi_adjust_cfa_offset 8
	stmxcsr (%rsp)
	fnstcw 4(%rsp)
	/* What we have, to be held against the other's: loading control words
	   may cost more than the rest of the switch, and they differ hardly ever.
	   Each is read as it was just stored; one load of both would wait until
	   the stores have reached the cache. */
	movl (%rsp), %eax
	movzwl 4(%rsp), %edx
	movq %rsp, (%rdi)
	movq %rsi, %rsp
	cmpl (%rsp), %eax
	jne 2f
	cmpw 4(%rsp), %dx
	je 1f
2:	ldmxcsr (%rsp)
	fldcw 4(%rsp)
1:	addq $8, %rsp
	.cfi_adjust_cfa_offset -8
	popq %r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore r15
	popq %r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore r14
	popq %r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore r13
	popq %r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore r12
	popq %rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	popq %rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbp
	.endm

	.globl neap__switch
	.hidden neap__switch
	.type neap__switch, @function
	.p2align 4
neap__switch:
	.cfi_startproc
	change_stack
	/* Not ret: what the processor expects there is where this stack's own
	   caller was called from. That stays for neap__switch_into. */
	popq %rcx
	.cfi_adjust_cfa_offset -8
	.cfi_register rip, rcx
	jmpq *%rcx
	.cfi_endproc
	.size neap__switch, .-neap__switch

/* Entered by the jump in switch.h, with the return address pushed. */
	.globl neap__switch_by_ret
	.hidden neap__switch_by_ret
	.type neap__switch_by_ret, @function
	.p2align 4
neap__switch_by_ret:
	.cfi_startproc
	change_stack
	ret
	.cfi_endproc
	.size neap__switch_by_ret, .-neap__switch_by_ret

/* First frame of a new stack: entry is in rbx, arg in r12. The undefined return address
   ends every backtrace here. */
	.type first_frame, @function
	.p2align 4
first_frame:
	.cfi_startproc
	.cfi_undefined rip
	xorl %ebp, %ebp
	movq %r12, %rdi
	callq *%rbx
	ud2
	.cfi_endproc
	.size first_frame, .-first_frame

	.globl neap__switch_init
	.hidden neap__switch_init
	.type neap__switch_init, @function
	.p2align 4
neap__switch_init:
	.cfi_startproc
	/* After the jump rsp is top and thus aligned for the call above. */
	leaq -64(%rdi), %rax
	movq $0, (%rax)
	stmxcsr (%rax)
	fnstcw 4(%rax)
	movq %rdx, 32(%rax)
	movq %rsi, 40(%rax)
	movq $0, 48(%rax)
	leaq first_frame(%rip), %rcx
	movq %rcx, 56(%rax)
	ret
	.cfi_endproc
	.size neap__switch_init, .-neap__switch_init

	.section .note.GNU-stack,"",@progbits
