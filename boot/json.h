/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes one JSON object (RFC 8259) piece by piece, without memory: ASCII only, numbers are unsigned integers. The
 * elements of the outermost object stand on lines of their own, and so do those of an array in it; everything deeper is on
 * one line. So each line can be a line of a log.
 */
#ifndef BOOT_JSON_H
#define BOOT_JSON_H

#include "lib/printf.h"

#define JSON_DEPTH 32

struct json {
	gr_putn_fn put;
	void *ctx;
	unsigned depth;	 /* containers that are open */
	uint32_t array;	 /* bit n: the container at depth n is an array */
	uint32_t filled; /* bit n: it has an element */
};

/* Opens the outermost object. */
void json_begin(struct json *j, gr_putn_fn put, void *ctx);
/* Closes it, with a newline. Panics when something else is open. */
void json_end(struct json *j);

/*
 * Opens an object or an array inside of what is open. key: its name in an object, NULL in an array; this holds for
 * everything below. Panics at JSON_DEPTH.
 */
void json_object(struct json *j, const char *key);
void json_array(struct json *j, const char *key);
void json_close(struct json *j);

void json_u64(struct json *j, const char *key, uint64_t value);
void json_bool(struct json *j, const char *key, bool value);
void json_null(struct json *j, const char *key);
/*
 * text may hold any bytes: what is no printable ASCII becomes \u00XX, which is right for Latin-1 and keeps what it is
 * not.
 */
void json_string(struct json *j, const char *key, const char *text);

#endif
