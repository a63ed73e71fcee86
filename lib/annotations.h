/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lock annotations that clang's -Wthread-safety checks; empty for other compilers.
 *
 * In C, clang checks REQUIRES/ACQUIRE/RELEASE on functions but not GUARDED_BY on struct members. So the fields that a lock
 * protects are private to one file and reached through static inline accessors that carry REQUIRES.
 */
#ifndef LIB_ANNOTATIONS_H
#define LIB_ANNOTATIONS_H

#if defined(__clang__)
#define TS_ATTR(x) __attribute__((x))
#else
#define TS_ATTR(x)
#endif

#define CAPABILITY(name) TS_ATTR(capability(name))
#define REQUIRES(...) TS_ATTR(requires_capability(__VA_ARGS__))
#define ACQUIRE(...) TS_ATTR(acquire_capability(__VA_ARGS__))
#define RELEASE(...) TS_ATTR(release_capability(__VA_ARGS__))
#define TRY_ACQUIRE(...) TS_ATTR(try_acquire_capability(__VA_ARGS__))
#define EXCLUDES(...) TS_ATTR(locks_excluded(__VA_ARGS__))
#define NO_THREAD_SAFETY_ANALYSIS TS_ATTR(no_thread_safety_analysis)

#endif
