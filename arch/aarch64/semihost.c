/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Semihosting calls (Arm IHI 0082, "Semihosting for AArch32 and AArch64"): operation in w0, argument block in x1,
 * answer in x0. The trap stands once, at semihost_insn; where nobody listens it is an undefined instruction, and the
 * vectors answer -1 for it.
 */
#include "arch/aarch64/semihost.h"
#include "lib/string.h"

#define SYS_WRITE0 0x04
#define SYS_ERRNO 0x13
#define SYS_EXIT_EXTENDED 0x20

#define ADP_STOPPED_APPLICATION_EXIT 0x20026

/* A function of its own: its address identifies the trap. HLT #0xF000 is the A64 call at every exception level. */
__asm__("	.pushsection .text.semihost, \"ax\", %progbits\n"
	"	.balign	16\n"
	"	.globl	semihost_insn\n"
	"	.hidden	semihost_insn\n"
	"	.type	semihost_insn, %function\n"
	"semihost_insn:\n"
	"	hlt	#0xf000\n"
	"	ret\n"
	"	.size	semihost_insn, . - semihost_insn\n"
	"	.popsection\n");

uint64_t semihost_insn(uint64_t operation, const void *argument);

/* [BU14] */
bool semihost_present(void)
{
	static enum { UNKNOWN, YES, NO } present;

	/* SYS_ERRNO has no argument and no effect, and an errno is never negative. */
	if (present == UNKNOWN)
		present = (int64_t)semihost_insn(SYS_ERRNO, NULL) == -1 ? NO : YES;
	return present == YES;
}

/* [BU14] */
bool semihost_write(const char *text, size_t n)
{
	char chunk[129];
	size_t used = 0;

	if (!semihost_present())
		return false;
	/* SYS_WRITE0 needs no file handle, but a NUL at the end: copied in pieces, without any NUL inside. */
	for (size_t i = 0; i < n; i++) {
		if (text[i] != '\0')
			chunk[used++] = text[i];
		if (used == sizeof(chunk) - 1 || (i == n - 1 && used != 0)) {
			chunk[used] = '\0';
			(void)semihost_insn(SYS_WRITE0, chunk);
			used = 0;
		}
	}
	return true;
}

void semihost_exit(int status)
{
	const uint64_t block[2] = { ADP_STOPPED_APPLICATION_EXIT, (uint64_t)(int64_t)status };

	if (semihost_present())
		(void)semihost_insn(SYS_EXIT_EXTENDED, block);
}
