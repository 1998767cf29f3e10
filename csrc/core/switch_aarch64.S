/*
 * switch_aarch64.S: AAPCS64. Callee-saved: x19-x28, x29 (frame pointer), x30
 * (return address), the low halves of v8-v15, and the control bits of FPCR
 * (AAPCS64, sections 6.1.1, 6.1.2 and 6.1.3). No return address signing.
 *
 * The saved frame, from the stack pointer up (176 bytes):
 *   0 d8-d15, 64 x19-x28, 144 x29, 152 x30, 160 fpcr
 */
	.text
	.globl neap__switch
	.hidden neap__switch
	.type neap__switch, %function
	.p2align 4
neap__switch:
	.cfi_startproc
	sub sp, sp, #176
	.cfi_adjust_cfa_offset 176
	stp d8, d9, [sp, #0]
	stp d10, d11, [sp, #16]
	stp d12, d13, [sp, #32]
	stp d14, d15, [sp, #48]
	stp x19, x20, [sp, #64]
	stp x21, x22, [sp, #80]
	stp x23, x24, [sp, #96]
	stp x25, x26, [sp, #112]
	stp x27, x28, [sp, #128]
	stp x29, x30, [sp, #144]
	.cfi_rel_offset x19, 64
	.cfi_rel_offset x20, 72
	.cfi_rel_offset x21, 80
	.cfi_rel_offset x22, 88
	.cfi_rel_offset x23, 96
	.cfi_rel_offset x24, 104
	.cfi_rel_offset x25, 112
	.cfi_rel_offset x26, 120
	.cfi_rel_offset x27, 128
	.cfi_rel_offset x28, 136
	.cfi_rel_offset x29, 144
	.cfi_rel_offset x30, 152
	mrs x9, fpcr
	str x9, [sp, #160]
	mov x10, sp
	str x10, [x0]
	mov sp, x1
	ldr x10, [sp, #160]
	cmp x9, x10
	b.eq 1f
	msr fpcr, x10
1:	ldp d8, d9, [sp, #0]
	ldp d10, d11, [sp, #16]
	ldp d12, d13, [sp, #32]
	ldp d14, d15, [sp, #48]
	ldp x19, x20, [sp, #64]
	ldp x21, x22, [sp, #80]
	ldp x23, x24, [sp, #96]
	ldp x25, x26, [sp, #112]
	ldp x27, x28, [sp, #128]
	ldp x29, x30, [sp, #144]
	add sp, sp, #176
	.cfi_adjust_cfa_offset -176
	ret
	.cfi_endproc
	.size neap__switch, .-neap__switch

/* First frame of a new stack: entry is in x19, arg in x20. */
	.type first_frame, %function
	.p2align 4
first_frame:
	.cfi_startproc
	.cfi_undefined x30
	mov x29, #0
	mov x30, #0
	mov x0, x20
	blr x19
	brk #1
	.cfi_endproc
	.size first_frame, .-first_frame

	.globl neap__switch_init
	.hidden neap__switch_init
	.type neap__switch_init, %function
	.p2align 4
neap__switch_init:
	.cfi_startproc
	mov x9, x0
	sub x0, x0, #176
	mov x10, x0
1:	stp xzr, xzr, [x10], #16
	cmp x10, x9
	b.lo 1b
	stp x1, x2, [x0, #64]
	adr x9, first_frame
	str x9, [x0, #152]
	mrs x9, fpcr
	str x9, [x0, #160]
	ret
	.cfi_endproc
	.size neap__switch_init, .-neap__switch_init

	.section .note.GNU-stack,"",%progbits
