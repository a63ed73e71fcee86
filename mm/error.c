/* SPDX-License-Identifier: BSD-2-Clause */
/* The words for what can go wrong in mm/. */
#include "mm/error.h"

/* [L20] */
const char *mm_strerror(int err)
{
	/* No default: a new enum mm_error without a sentence is a compiler warning. */
	switch ((enum mm_error)err) {
	case MM_OK:
		return "no error";
	case MM_EINVAL:
		return "Invalid argument";
	case MM_ENOMEM:
		return "Out of memory";
	case MM_ERANGE:
		return "Address out of range";
	case MM_EALIGN:
		return "Address or size not aligned";
	case MM_EVA_ALIGN:
		return "VA not 2MB aligned for block mapping";
	case MM_EPA_ALIGN:
		return "PA not 2MB aligned for block mapping";
	case MM_EPT_POOL:
		return "Page table pool exhausted";
	case MM_EPT_ALLOC:
		return "Page table allocation failed";
	case MM_EEXIST:
		return "Already mapped";
	case MM_ENOENT:
		return "Not mapped";
	case MM_EPERM:
		return "Permissions not allowed";
	case MM_EDOUBLE:
		return "Double free";
	case MM_EORDER:
		return "Freed with another order than allocated";
	case MM_EINTERIOR:
		return "Not the first byte of what was allocated";
	case MM_EFOREIGN:
		return "Address does not belong to this allocator";
	case MM_ERESERVED:
		return "Memory was never given to this allocator";
	case MM_EBUSY:
		return "Still in use";
	case MM_EOVERFLOW:
		return "Counter or size overflow";
	case MM_ECORRUPT:
		return "Invariant violated";
	case MM_EUNSUPPORTED:
		return "Not supported by this CPU or format";
	}
	return "unknown error";
}
