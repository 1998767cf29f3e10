/*
 * switch_riscv64.S: RISC-V psABI, LP64D. Callee-saved: s0-s11 and fs0-fs11;
 * ra is the return address. fcsr is thread-wide and not preserved by calls,
 * but its rounding mode frm is kept per task, as DESIGN 2.4 wants.
 *
 * The saved frame, from the stack pointer up (224 bytes):
 *   0 ra, 8 s0-s11, 104 fs0-fs11, 200 frm, 208 unused
 */
	.text
	.globl neap__switch
	.hidden neap__switch
	.type neap__switch, @function
	.p2align 2
neap__switch:
	.cfi_startproc
	addi sp, sp, -224
	.cfi_adjust_cfa_offset 224
	sd ra, 0(sp)
	.cfi_rel_offset ra, 0
	.irp n, 0,1,2,3,4,5,6,7,8,9,10,11
	sd s\n, 8+8*\n(sp)
	.cfi_rel_offset s\n, 8+8*\n
	.endr
#ifdef __riscv_float_abi_double
	.irp n, 0,1,2,3,4,5,6,7,8,9,10,11
	fsd fs\n, 104+8*\n(sp)
	.endr
	frrm t0
	sd t0, 200(sp)
#endif
	sd sp, 0(a0)
	mv sp, a1
	ld ra, 0(sp)
	.irp n, 0,1,2,3,4,5,6,7,8,9,10,11
	ld s\n, 8+8*\n(sp)
	.endr
#ifdef __riscv_float_abi_double
	.irp n, 0,1,2,3,4,5,6,7,8,9,10,11
	fld fs\n, 104+8*\n(sp)
	.endr
	ld t0, 200(sp)
	fsrm t0
#endif
	addi sp, sp, 224
	.cfi_adjust_cfa_offset -224
	ret
	.cfi_endproc
	.size neap__switch, .-neap__switch

/* First frame of a new stack: entry is in s1, arg in s2. */
	.type first_frame, @function
	.p2align 2
first_frame:
	.cfi_startproc
	.cfi_undefined ra
	li s0, 0
	li ra, 0
	mv a0, s2
	jalr s1
	ebreak
	.cfi_endproc
	.size first_frame, .-first_frame

	.globl neap__switch_init
	.hidden neap__switch_init
	.type neap__switch_init, @function
	.p2align 2
neap__switch_init:
	.cfi_startproc
	addi a0, a0, -224
	li t0, 224
	add t1, a0, t0
	mv t2, a0
1:	sd zero, 0(t2)
	addi t2, t2, 8
	bltu t2, t1, 1b
	la t0, first_frame
	sd t0, 0(a0)
	sd a1, 16(a0)
	sd a2, 24(a0)
#ifdef __riscv_float_abi_double
	frrm t0
	sd t0, 200(a0)
#endif
	ret
	.cfi_endproc
	.size neap__switch_init, .-neap__switch_init

	.section .note.GNU-stack,"",@progbits
