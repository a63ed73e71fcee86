/* SPDX-License-Identifier: BSD-2-Clause */
/* What can go wrong in mm/, and the words for it. Every function that can fail returns one of these, negative. */
#ifndef MM_ERROR_H
#define MM_ERROR_H

#include "lib/defs.h"

enum mm_error {
	MM_OK = 0,
	MM_EINVAL = -1,	       /* an argument makes no sense (zero size, unknown flag) */
	MM_ENOMEM = -2,	       /* no memory of the kind asked for */
	MM_ERANGE = -3,	       /* outside what this object covers, or the arithmetic wraps */
	MM_EALIGN = -4,	       /* address or size not aligned as the contract says */
	MM_EVA_ALIGN = -5,     /* "VA not 2MB aligned for block mapping" */
	MM_EPA_ALIGN = -6,     /* "PA not 2MB aligned for block mapping" */
	MM_EPT_POOL = -7,      /* "Page table pool exhausted" */
	MM_EPT_ALLOC = -8,     /* "Page table allocation failed" */
	MM_EEXIST = -9,	       /* a mapping is already there */
	MM_ENOENT = -10,       /* nothing is mapped there */
	MM_EPERM = -11,	       /* writable and executable, or executable device memory */
	MM_EDOUBLE = -12,      /* freed already */
	MM_EORDER = -13,       /* allocated with another order */
	MM_EINTERIOR = -14,    /* inside a block, not its first page */
	MM_EFOREIGN = -15,     /* no RAM of this allocator */
	MM_ERESERVED = -16,    /* RAM that was never given to the allocator */
	MM_EBUSY = -17,	       /* still referenced, or in use by others */
	MM_EOVERFLOW = -18,    /* a counter or size would overflow */
	MM_ECORRUPT = -19,     /* an invariant does not hold (validate) */
	MM_EUNSUPPORTED = -20, /* this CPU or format cannot do it */
};

/* A sentence for err, never NULL; for a value that is no mm_error, "unknown error". */
const char *mm_strerror(int err);

#endif
