/* SPDX-License-Identifier: BSD-2-Clause */
/* The JSON writer: where lines end, what is escaped, and that a caller who mixes up brackets is told. */
#define SUITE "json"
#include "lib/tap.h"

#include "boot/json.h"
#include "lib/string.h"
#ifdef GRANULE_HOST
#include "tests/host/panic.h"
#endif

static char text[8192];
static size_t length;

static void collect(void *ctx, const char *s, size_t n)
{
	CHECK(ctx == text);
	CHECK(n > 0);
	for (size_t i = 0; i < n && length + 1 < sizeof(text); i++)
		text[length++] = s[i];
	text[length] = '\0';
}

static void begin(struct json *j)
{
	length = 0;
	json_begin(j, collect, text);
}

TEST(DG6, "elements of the object and of its arrays stand on lines of their own, what is deeper on one line")
{
	struct json j;

	begin(&j);
	json_u64(&j, "a", 1);
	json_object(&j, "b");
	json_string(&j, "c", "x");
	json_object(&j, "d");
	json_array(&j, "e");
	json_close(&j);
	json_array(&j, "f");
	json_u64(&j, NULL, 0);
	json_u64(&j, NULL, 1);
	json_close(&j);
	json_close(&j);
	json_close(&j);
	json_array(&j, "l");
	json_object(&j, NULL);
	json_u64(&j, "n", 0);
	json_close(&j);
	json_object(&j, NULL);
	json_u64(&j, "n", UINT64_MAX);
	json_bool(&j, "t", true);
	json_bool(&j, "u", false);
	json_close(&j);
	json_close(&j);
	json_array(&j, "e");
	json_close(&j);
	json_object(&j, "o");
	json_close(&j);
	json_null(&j, "z");
	json_end(&j);
	CHECK(strcmp(text, "{\n"
			   " \"a\": 1,\n"
			   " \"b\": {\"c\": \"x\", \"d\": {\"e\": [], \"f\": [0, 1]}},\n"
			   " \"l\": [\n"
			   "  {\"n\": 0},\n"
			   "  {\"n\": 18446744073709551615, \"t\": true, \"u\": false}\n"
			   " ],\n"
			   " \"e\": [],\n"
			   " \"o\": {},\n"
			   " \"z\": null\n"
			   "}\n") == 0);
	begin(&j);
	json_end(&j);
	CHECK(strcmp(text, "{}\n") == 0);
}

TEST(DG6, "containers may be thirty deep, and each knows what it is and whether it has an element")
{
	struct json j;
	unsigned arrays = 0;

	begin(&j);
	for (unsigned i = 0; i < JSON_DEPTH - 2; i++) {
		const char *key = j.array >> j.depth & 1 ? NULL : "k";

		json_u64(&j, key, i);
		if (i % 3 == 0)
			json_object(&j, key);
		else
			json_array(&j, key);
	}
	for (unsigned i = 0; i < JSON_DEPTH - 2; i++)
		json_close(&j);
	json_end(&j);
	for (size_t i = 0; i < length; i++)
		arrays += text[i] == '[';
	CHECK_EQ(arrays, 20);
	CHECK(strncmp(text, "{\n \"k\": 0,\n \"k\": {\"k\": 1, \"k\": [2, [3, {\"k\": 4, ", 45) == 0);
}

/* A string's text between its quotes, escaped as it stands in the object. */
static const char *escaped(const char *s)
{
	static char out[4096];
	struct json j;
	size_t n;

	begin(&j);
	json_string(&j, "s", s);
	json_end(&j);
	n = length - strlen("{\n \"s\": \"\"\n}\n");
	memcpy(out, text + strlen("{\n \"s\": \""), n);
	out[n] = '\0';
	CHECK(strcmp(text + length - 4, "\"\n}\n") == 0);
	return out;
}

TEST(DG7, "every byte but printable ASCII is escaped, and so are quotation mark and backslash; in keys as well")
{
	char one[2] = "";
	char want[8];
	struct json j;

	for (unsigned c = 1; c < 256; c++) {
		one[0] = (char)c;
		if (c < 0x20 || c > 0x7e || c == 0x22 || c == 0x5c)
			gr_snprintf(want, sizeof(want), "\\u%04x", c);
		else
			gr_snprintf(want, sizeof(want), "%c", c);
		CHECK(strcmp(escaped(one), want) == 0);
	}
	CHECK(strcmp(escaped(""), "") == 0);
	CHECK(strcmp(escaped("a\"b\\c\n\xff%s"), "a\\u0022b\\u005cc\\u000a\\u00ff%s") == 0);
	begin(&j);
	json_u64(&j, "k\"", 1);
	json_end(&j);
	CHECK(strcmp(text, "{\n \"k\\u0022\": 1\n}\n") == 0);
}

#ifdef GRANULE_HOST
static struct json broken;

static void close_too_much(void)
{
	begin(&broken);
	json_close(&broken);
	json_close(&broken);
}

static void end_too_early(void)
{
	begin(&broken);
	json_array(&broken, "a");
	json_end(&broken);
}

static void too_deep(void)
{
	begin(&broken);
	json_array(&broken, "a");
	for (unsigned i = 2; i < JSON_DEPTH; i++)
		json_array(&broken, NULL);
}

static bool ends_with(void (*fn)(void), const char *why)
{
	const char *said = expect_panic(fn);

	return said != NULL && strcmp(said, why) == 0;
}

TEST_ON(TAP_HOST, DG6, "brackets that do not match are a broken promise")
{
	CHECK(ends_with(close_too_much, "json: nothing is open"));
	CHECK(ends_with(end_too_early, "json: 2 containers are open at the end"));
	CHECK(ends_with(too_deep, "json: more than 31 containers are open"));
}
#endif
