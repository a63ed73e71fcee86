/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exceptions in words: ESR_ELx (Arm ARM DDI 0487, D19.2.37 ff.), SPSR_ELx (C5.2.19 ff.). Tables and formatting, no
 * system registers: what the vectors saved is all there is.
 */
#include "boot/exception_report.h"
#include "boot/backtrace.h"
#include "boot/symbols.h"
#include "lib/log.h"
#include "lib/printf.h"
#include "lib/string.h"

#define ESR_EC(esr) ((unsigned)((esr) >> 26) & 0x3f)
#define ESR_IL (1u << 25)
#define ESR_ISS(esr) ((uint32_t)(esr)&0x1ffffff)

enum exception_class {
	EC_UNKNOWN = 0x00,
	EC_WFX = 0x01,
	EC_SVC64 = 0x15,
	EC_HVC64 = 0x16,
	EC_SMC64 = 0x17,
	EC_SYSREG = 0x18,
	EC_IABT_LOWER = 0x20,
	EC_IABT_SAME = 0x21,
	EC_PC_ALIGN = 0x22,
	EC_DABT_LOWER = 0x24,
	EC_DABT_SAME = 0x25,
	EC_SERROR = 0x2f,
	EC_WATCH_LOWER = 0x34,
	EC_WATCH_SAME = 0x35,
	EC_BRK64 = 0x3c,
};

/* [BU22] */
const char *exception_class_name(unsigned ec)
{
	static const char *const names[64] = {
		[0x00] = "unknown reason (undefined instruction)",
		[0x01] = "trapped WFI, WFE, WFIT or WFET",
		[0x03] = "trapped MCR or MRC, coproc 15",
		[0x04] = "trapped MCRR or MRRC, coproc 15",
		[0x05] = "trapped MCR or MRC, coproc 14",
		[0x06] = "trapped LDC or STC",
		[0x07] = "access to SVE, SIMD or floating point trapped",
		[0x08] = "trapped VMRS",
		[0x09] = "trapped pointer authentication",
		[0x0a] = "trapped other instruction (LD64B, ST64B)",
		[0x0c] = "trapped MRRC, coproc 14",
		[0x0d] = "branch target exception",
		[0x0e] = "illegal execution state",
		[0x11] = "SVC, AArch32",
		[0x12] = "HVC, AArch32",
		[0x13] = "SMC, AArch32",
		[0x14] = "trapped MSRR, MRRS or 128-bit system instruction",
		[0x15] = "SVC",
		[0x16] = "HVC",
		[0x17] = "SMC",
		[0x18] = "trapped MSR, MRS or system instruction",
		[0x19] = "access to SVE trapped",
		[0x1a] = "trapped ERET",
		[0x1b] = "TSTART in an unimplemented state",
		[0x1c] = "pointer authentication failure",
		[0x1d] = "access to SME trapped",
		[0x1e] = "granule protection check",
		[0x1f] = "IMPLEMENTATION DEFINED exception to EL3",
		[0x20] = "instruction abort from a lower EL",
		[0x21] = "instruction abort from the current EL",
		[0x22] = "PC alignment fault",
		[0x24] = "data abort from a lower EL",
		[0x25] = "data abort from the current EL",
		[0x26] = "SP alignment fault",
		[0x27] = "memory operation exception (CPY, SET)",
		[0x28] = "trapped floating point, AArch32",
		[0x2c] = "trapped floating point",
		[0x2d] = "guarded control stack exception",
		[0x2f] = "SError",
		[0x30] = "breakpoint from a lower EL",
		[0x31] = "breakpoint from the current EL",
		[0x32] = "software step from a lower EL",
		[0x33] = "software step from the current EL",
		[0x34] = "watchpoint from a lower EL",
		[0x35] = "watchpoint from the current EL",
		[0x38] = "BKPT, AArch32",
		[0x3a] = "vector catch, AArch32",
		[0x3c] = "BRK",
		[0x3d] = "profiling exception",
	};

	if (ec >= ARRAY_SIZE(names) || names[ec] == NULL)
		return "reserved exception class";
	return names[ec];
}

/* [BU23] */
const char *exception_vector_name(unsigned vector)
{
	static const char *const names[16] = {
		"Synchronous, current EL with SP0", "IRQ, current EL with SP0",
		"FIQ, current EL with SP0",	    "SError, current EL with SP0",
		"Synchronous, current EL with SPx", "IRQ, current EL with SPx",
		"FIQ, current EL with SPx",	    "SError, current EL with SPx",
		"Synchronous, lower EL in AArch64", "IRQ, lower EL in AArch64",
		"FIQ, lower EL in AArch64",	    "SError, lower EL in AArch64",
		"Synchronous, lower EL in AArch32", "IRQ, lower EL in AArch32",
		"FIQ, lower EL in AArch32",	    "SError, lower EL in AArch32",
	};

	return vector < ARRAY_SIZE(names) ? names[vector] : "no such vector";
}

/* [BU24] */
const char *exception_fault_name(unsigned fsc, char buf[EXCEPTION_TEXT_MAX])
{
	/* Codes 0bXXXXLL: XXXX names the fault, LL the level of the lookup. */
	static const char *const by_level[16] = {
		[0x0] = "address size fault",
		[0x1] = "translation fault",
		[0x2] = "access flag fault",
		[0x3] = "permission fault",
		[0x5] = "external abort on table walk",
		[0x7] = "parity or ECC error on table walk",
		[0x9] = "granule protection fault on table walk",
	};
	static const struct {
		uint8_t fsc;
		const char *name;
	} single[] = {
		{ 0x10, "external abort, not on table walk" },
		{ 0x11, "tag check fault" },
		{ 0x12, "external abort on table walk, level -2" },
		{ 0x13, "external abort on table walk, level -1" },
		{ 0x18, "parity or ECC error, not on table walk" },
		{ 0x1b, "parity or ECC error on table walk, level -1" },
		{ 0x21, "alignment fault" },
		{ 0x22, "granule protection fault on table walk, level -2" },
		{ 0x23, "granule protection fault on table walk, level -1" },
		{ 0x28, "granule protection fault, not on table walk" },
		{ 0x29, "address size fault, level -1" },
		{ 0x2a, "translation fault, level -2" },
		{ 0x2b, "translation fault, level -1" },
		{ 0x2c, "address size fault, level -2" },
		{ 0x30, "TLB conflict abort" },
		{ 0x31, "unsupported atomic hardware update" },
		{ 0x34, "IMPLEMENTATION DEFINED fault (lockdown)" },
		{ 0x35, "IMPLEMENTATION DEFINED fault (unsupported exclusive or atomic access)" },
	};

	fsc &= 0x3f;
	for (size_t i = 0; i < ARRAY_SIZE(single); i++) {
		if (single[i].fsc == fsc) {
			gr_snprintf(buf, EXCEPTION_TEXT_MAX, "%s", single[i].name);
			return buf;
		}
	}
	if (by_level[fsc >> 2] != NULL)
		gr_snprintf(buf, EXCEPTION_TEXT_MAX, "%s, level %u", by_level[fsc >> 2], fsc & 3);
	else
		gr_snprintf(buf, EXCEPTION_TEXT_MAX, "reserved fault status 0x%02x", fsc);
	return buf;
}

static bool is_data_abort(unsigned ec)
{
	return ec == EC_DABT_LOWER || ec == EC_DABT_SAME;
}

static bool is_instruction_abort(unsigned ec)
{
	return ec == EC_IABT_LOWER || ec == EC_IABT_SAME;
}

static bool is_watchpoint(unsigned ec)
{
	return ec == EC_WATCH_LOWER || ec == EC_WATCH_SAME;
}

/* Bits of the ISS of aborts and watchpoints. */
#define ISS_ISV (1u << 24)
#define ISS_SAS(iss) (1u << ((iss) >> 22 & 3)) /* bytes */
#define ISS_SRT(iss) ((iss) >> 16 & 0x1f)
#define ISS_FNV (1u << 10)
#define ISS_EA (1u << 9)
#define ISS_CM (1u << 8)
#define ISS_S1PTW (1u << 7)
#define ISS_WNR (1u << 6)
#define FSC_EXTERNAL 0x10 /* FnV and SET mean something for this code only */

/* [BU25] */
bool exception_far_valid(uint64_t esr)
{
	unsigned ec = ESR_EC(esr);
	uint32_t iss = ESR_ISS(esr);

	if (ec == EC_PC_ALIGN || is_watchpoint(ec))
		return true;
	if (!is_data_abort(ec) && !is_instruction_abort(ec))
		return false;
	return (iss & 0x3f) != FSC_EXTERNAL || !(iss & ISS_FNV);
}

/* snprintf at the end of what buf holds already. */
static void append(char buf[EXCEPTION_TEXT_MAX], const char *fmt, ...) printf_like(2, 3);
static void append(char buf[EXCEPTION_TEXT_MAX], const char *fmt, ...)
{
	size_t n = strlen(buf);
	va_list ap;

	va_start(ap, fmt);
	gr_vsnprintf(buf + n, EXCEPTION_TEXT_MAX - n, fmt, ap);
	va_end(ap);
}

static void abort_words(unsigned ec, uint32_t iss, char buf[EXCEPTION_TEXT_MAX])
{
	char fault[EXCEPTION_TEXT_MAX];
	bool data = is_data_abort(ec);

	if (!data)
		append(buf, "fetch, ");
	else if (iss & ISS_CM)
		append(buf, "cache maintenance, ");
	else
		append(buf, iss & ISS_WNR ? "write, " : "read, ");
	append(buf, "%s", exception_fault_name(iss & 0x3f, fault));
	if (iss & ISS_S1PTW)
		append(buf, ", stage 2 of a stage-1 walk");
	if (data && (iss & ISS_ISV))
		append(buf, ", %u byte%s, x%u", ISS_SAS(iss), ISS_SAS(iss) == 1 ? "" : "s", ISS_SRT(iss));
	if ((iss & 0x3f) == FSC_EXTERNAL && (iss & ISS_FNV))
		append(buf, ", FAR not valid");
	if (iss & ISS_EA)
		append(buf, ", EA set");
}

static void serror_words(uint32_t iss, char buf[EXCEPTION_TEXT_MAX])
{
	static const char *const severity[8] = {
		"uncontainable", "unrecoverable", "restartable", "recoverable", NULL, NULL, "corrected", NULL,
	};
	unsigned aet = iss >> 10 & 7;

	if (iss & ISS_ISV) /* IDS at the same place */
		append(buf, "IMPLEMENTATION DEFINED syndrome 0x%x", iss & ~ISS_ISV);
	else if ((iss & 0x3f) == 0)
		append(buf, "uncategorised");
	else if ((iss & 0x3f) != 0x11)
		append(buf, "reserved status 0x%02x", iss & 0x3f);
	else
		append(buf, "asynchronous error, %s%s", severity[aet] != NULL ? severity[aet] : "reserved severity",
		       iss & ISS_EA ? ", EA set" : "");
}

/* [BU25] */
const char *exception_iss_words(uint64_t esr, char buf[EXCEPTION_TEXT_MAX])
{
	static const char *const waits[4] = { "WFI", "WFE", "WFIT", "WFET" };
	unsigned ec = ESR_EC(esr);
	uint32_t iss = ESR_ISS(esr);

	buf[0] = '\0';
	if (is_data_abort(ec) || is_instruction_abort(ec))
		abort_words(ec, iss, buf);
	else if (is_watchpoint(ec))
		append(buf, "%s", iss & ISS_CM ? "cache maintenance" : iss & ISS_WNR ? "write" : "read");
	else if (ec == EC_SERROR)
		serror_words(iss, buf);
	else if (ec == EC_WFX)
		append(buf, "%s", waits[iss & 3]);
	else if (ec == EC_SVC64 || ec == EC_HVC64 || ec == EC_SMC64 || ec == EC_BRK64)
		append(buf, "#0x%x", iss & 0xffff);
	else if (ec == EC_SYSREG)
		/* As an assembler writes a register without a name: S<op0>_<op1>_C<n>_C<m>_<op2>. */
		append(buf, "%s S%u_%u_C%u_C%u_%u, x%u", iss & 1 ? "read of" : "write to", iss >> 20 & 3, iss >> 14 & 7,
		       iss >> 10 & 0xf, iss >> 1 & 0xf, iss >> 17 & 7, iss >> 5 & 0x1f);
	return buf;
}

/* [BU26] */
const char *exception_spsr_words(uint64_t spsr, char buf[EXCEPTION_TEXT_MAX])
{
	static const char *const levels[16] = {
		[0x0] = "EL0t", [0x4] = "EL1t", [0x5] = "EL1h", [0x8] = "EL2t",
		[0x9] = "EL2h", [0xc] = "EL3t", [0xd] = "EL3h",
	};
	unsigned mode = (unsigned)spsr & 0xf;

	buf[0] = '\0';
	if (spsr >> 4 & 1)
		append(buf, "AArch32, mode 0x%x", mode);
	else if (levels[mode] != NULL)
		append(buf, "%s", levels[mode]);
	else
		append(buf, "reserved mode 0x%x", mode);
	/* A capital letter is set: masked, or the condition flag. */
	append(buf, ", mask %c%c%c%c, flags %c%c%c%c", spsr >> 9 & 1 ? 'D' : 'd', spsr >> 8 & 1 ? 'A' : 'a',
	       spsr >> 7 & 1 ? 'I' : 'i', spsr >> 6 & 1 ? 'F' : 'f', spsr >> 31 & 1 ? 'N' : 'n',
	       spsr >> 30 & 1 ? 'Z' : 'z', spsr >> 29 & 1 ? 'C' : 'c', spsr >> 28 & 1 ? 'V' : 'v');
	if (spsr >> 20 & 1)
		append(buf, ", illegal state");
	if (spsr >> 21 & 1)
		append(buf, ", single step");
	if (spsr >> 22 & 1)
		append(buf, ", PAN");
	return buf;
}

/* [BU20] */
void exception_report(const struct exception_frame *frame)
{
	char text[EXCEPTION_TEXT_MAX];
	char symbol[SYMBOL_TEXT_MAX];
	uint64_t vector = frame->vector;
	unsigned ec = ESR_EC(frame->esr);
	bool lost = vector >= EXCEPTION_STACK_LOST && vector < 2 * EXCEPTION_STACK_LOST;

	if (lost)
		vector -= EXCEPTION_STACK_LOST;
	log_error("EXCEPTION: %s\n", exception_vector_name(vector < 16 ? (unsigned)vector : 16));
	if (lost)
		log_error("STACK   overflow: SP does not point to mapped, writable memory\n");
	/* Of the four kinds only synchronous exceptions and SErrors write ESR. */
	if (vector % 4 == 0 || vector % 4 == 3) {
		log_error("ESR     0x%016lx EC 0x%02x: %s\n", (unsigned long)frame->esr, ec, exception_class_name(ec));
		if (exception_iss_words(frame->esr, text)[0] != '\0')
			log_error("        %s\n", text);
	}
	log_error("FAR     0x%016lx%s\n", (unsigned long)frame->far,
		  vector % 4 == 0 && exception_far_valid(frame->esr) ? "" : " (says nothing about this exception)");
	log_error("ELR     0x%016lx %s\n", (unsigned long)frame->elr, symbols_format(frame->elr, symbol));
	log_error("SPSR    0x%016lx %s\n", (unsigned long)frame->spsr, exception_spsr_words(frame->spsr, text));
	log_error("SP      0x%016lx\n", (unsigned long)frame->sp);
	for (unsigned i = 0; i < 31; i++)
		log_error("x%-2u %016lx%s", i, (unsigned long)frame->x[i], i % 3 == 2 || i == 30 ? "\n" : "  ");
	log_error("backtrace:\n");
	log_error("  0x%016lx %s\n", (unsigned long)frame->elr, symbols_format(frame->elr, symbol));
	/*
	 * x30 is the caller when the interrupted function has made no frame of its own yet (or has none); otherwise it
	 * repeats, or is stale, so it is marked.
	 */
	log_error("  0x%016lx %s (x30)\n", (unsigned long)frame->x[30], symbols_format_return(frame->x[30], symbol));
	backtrace_print(frame->x[29]);
}
