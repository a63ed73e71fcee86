/* SPDX-License-Identifier: BSD-2-Clause */
/* The JSON writer. What is written is complete at any time but for the brackets that are open. */
#include "boot/json.h"
#include "lib/panic.h"
#include "lib/string.h"

static void put_text(struct json *j, const char *text)
{
	j->put(j->ctx, text, strlen(text));
}

/* Whether the elements of the innermost open container begin lines. */
static bool one_a_line(const struct json *j)
{
	return j->depth == 1 || (j->depth == 2 && j->array >> 2 & 1);
}

static void new_line(struct json *j, unsigned indent)
{
	j->put(j->ctx, "\n  ", 1 + indent);
}

/* [DG7] */
static void put_quoted(struct json *j, const char *text)
{
	char buf[8];

	put_text(j, "\"");
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c >= ' ' && c < 0x7f && c != '"' && c != '\\')
			j->put(j->ctx, text, 1);
		else
			j->put(j->ctx, buf, (size_t)gr_snprintf(buf, sizeof(buf), "\\u%04x", c));
	}
	put_text(j, "\"");
}

/* What comes before a value: comma, line, key. */
static void before_value(struct json *j, const char *key)
{
	if (j->filled >> j->depth & 1)
		put_text(j, one_a_line(j) ? "," : ", ");
	j->filled |= (uint32_t)1 << j->depth;
	if (one_a_line(j))
		new_line(j, j->depth);
	if (key != NULL) {
		put_quoted(j, key);
		put_text(j, ": ");
	}
}

static void open(struct json *j, bool array)
{
	uint32_t bit;

	if (j->depth == JSON_DEPTH - 1)
		panic("json: more than %u containers are open", JSON_DEPTH - 1);
	j->depth++;
	bit = (uint32_t)1 << j->depth;
	j->filled &= ~bit;
	j->array = array ? j->array | bit : j->array & ~bit;
	put_text(j, array ? "[" : "{");
}

/* [DG6] */
void json_begin(struct json *j, gr_putn_fn put, void *ctx)
{
	*j = (struct json){ .put = put, .ctx = ctx };
	open(j, false);
}

void json_object(struct json *j, const char *key)
{
	before_value(j, key);
	open(j, false);
}

void json_array(struct json *j, const char *key)
{
	before_value(j, key);
	open(j, true);
}

void json_close(struct json *j)
{
	if (j->depth == 0)
		panic("json: nothing is open");
	if (one_a_line(j) && j->filled >> j->depth & 1)
		new_line(j, j->depth - 1);
	put_text(j, j->array >> j->depth & 1 ? "]" : "}");
	j->depth--;
}

void json_end(struct json *j)
{
	if (j->depth != 1)
		panic("json: %u containers are open at the end", j->depth);
	json_close(j);
	put_text(j, "\n");
}

void json_u64(struct json *j, const char *key, uint64_t value)
{
	char buf[24];

	before_value(j, key);
	j->put(j->ctx, buf, (size_t)gr_snprintf(buf, sizeof(buf), "%llu", (unsigned long long)value));
}

void json_bool(struct json *j, const char *key, bool value)
{
	before_value(j, key);
	put_text(j, value ? "true" : "false");
}

void json_null(struct json *j, const char *key)
{
	before_value(j, key);
	put_text(j, "null");
}

void json_string(struct json *j, const char *key, const char *text)
{
	before_value(j, key);
	put_quoted(j, text);
}
