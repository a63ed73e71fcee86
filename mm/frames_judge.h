/* SPDX-License-Identifier: BSD-2-Clause */
/* The one judgement on a free: private to mm/frames*.c. */
#ifndef MM_FRAMES_JUDGE_H
#define MM_FRAMES_JUDGE_H

#include "mm/buddy.h"

/* Why the block of `order` at frame n, which `info` describes, must not be freed; or MM_OK. */
static inline int frames_judge(const struct frame_info *info, uint64_t n, unsigned order)
{
	switch (info->role) {
	case FRAME_FOREIGN:
		return MM_EFOREIGN;
	case FRAME_RESERVED:
		return MM_ERESERVED;
	case FRAME_FREE:
		return MM_EDOUBLE;
	case FRAME_ALLOC:
		break;
	}
	if (info->head.n != n)
		return MM_EINTERIOR;
	if (info->order != order)
		return MM_EORDER;
	return info->ref == 1 ? MM_OK : MM_EBUSY;
}

#endif
