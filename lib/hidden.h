/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Included first in every target file (-include): what is declared from here on is defined in the same link, so that its address is
 * PC-relative and no global offset table is needed. -fvisibility=hidden says that of definitions only.
 */
#pragma GCC visibility push(hidden)
