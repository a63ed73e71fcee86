/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads and plays the recorded trace (tests/bench/packing/replay.h). */
#include "tests/bench/packing/replay.h"
#include "tests/bench/packing/subjects.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { KIND_ALLOC, KIND_FREE, KIND_CPU, KIND_OTHER };
enum other { OTHER_GIVE, OTHER_AGAIN };

#define HEAD_MAX 128
#define NUMBER_BITS 7

/* [PK5] */
bool replay_open(struct recording *r, const uint8_t *file, size_t bytes)
{
	unsigned long long start, pages, events;
	const uint8_t *end = memchr(file, '\n', bytes < HEAD_MAX ? bytes : HEAD_MAX);
	char head[HEAD_MAX] = "";
	unsigned blocks;

	if (!end)
		return false;
	memcpy(head, file, (size_t)(end - file));
	if (sscanf(head, "granule packing trace 1: frames %llu+%llu, %u blocks, %llu events", &start, &pages, &blocks,
		   &events) != 4)
		return false;
	*r = (struct recording){
		.start = start,
		.pages = pages,
		.blocks = blocks,
		.events = events,
		.data = end + 1,
		.bytes = bytes - (size_t)(end + 1 - file),
	};
	return IS_ALIGNED(start, SECTION_PAGES) && pages && blocks && events;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

struct reader {
	const uint8_t *at, *end;
	bool broken;
};

static uint8_t next_byte(struct reader *r)
{
	if (r->at < r->end)
		return *r->at++;
	r->broken = true;
	return 0;
}

/* The rest of a number, of which `shift` bits are known. */
static uint64_t next_number(struct reader *r, uint64_t value, unsigned shift)
{
	uint8_t byte;

	do {
		byte = next_byte(r);
		if (shift >= 64)
			r->broken = true;
		else
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += NUMBER_BITS;
	} while (byte & 0x80 && !r->broken);
	return value;
}

/* ---- playing ----------------------------------------------------------------------------------------------------- */

struct play {
	const struct recording *recording;
	struct player *player;
	uint32_t *spare; /* numbers of blocks that are free, the next one last */
	uint32_t spares;
	bool *there;	/* which blocks the trace has */
	uint64_t freed; /* number of the block that was freed last, and how far it was from the one before */
	uint64_t step;
	unsigned cpu;
	uint64_t events, samples;
};

static void count_event(struct play *s)
{
	s->events++;
	if (s->events * REPLAY_SAMPLES >= (s->samples + 1) * s->recording->events) {
		s->samples++;
		player_point(s->player, "sample");
	}
}

/* What was granted to the kernel may fail here: then there is no block, and its free is passed over. */
static bool play_alloc(struct play *s, unsigned order, uint64_t times)
{
	while (times--) {
		uint32_t number;

		if (!s->spares || order > MAX_ORDER)
			return false;
		number = s->spare[--s->spares];
		s->there[number] = true;
		(void)player_alloc(s->player, s->cpu, number, order);
		count_event(s);
	}
	return true;
}

static bool play_free(struct play *s)
{
	uint64_t number = s->freed += s->step;

	if (number >= s->recording->blocks || !s->there[number])
		return false;
	s->there[number] = false;
	if (s->player->block[number].live)
		player_free(s->player, s->cpu, (uint32_t)number);
	s->spare[s->spares++] = (uint32_t)number;
	count_event(s);
	return true;
}

static bool play_other(struct play *s, struct reader *in, uint64_t what)
{
	uint64_t start, pages, times;

	switch (what) {
	case OTHER_GIVE:
		start = next_number(in, 0, 0);
		pages = next_number(in, 0, 0);
		if (in->broken)
			return false;
		player_give(s->player, start, pages);
		return true;
	case OTHER_AGAIN:
		for (times = next_number(in, 0, 0); times; times--)
			if (in->broken || !play_free(s))
				return false;
		return true;
	default:
		return false;
	}
}

/* [PK5] */
bool replay_play(const struct recording *r, struct player *p)
{
	struct reader in = { .at = r->data, .end = r->data + r->bytes };
	struct play s = { .recording = r, .player = p, .spares = r->blocks };
	bool good;

	s.spare = calloc(r->blocks, sizeof(*s.spare));
	s.there = calloc(r->blocks, sizeof(*s.there));
	for (uint32_t i = 0; s.spare && i < r->blocks; i++)
		s.spare[i] = r->blocks - 1 - i;
	good = s.spare && s.there;
	while (good && in.at < in.end) {
		uint8_t byte = next_byte(&in);
		uint64_t value = byte >> 2 & 31;

		switch ((enum kind)(byte & 3)) {
		case KIND_ALLOC: {
			uint64_t times = 1 + (byte & 0x80 ? next_number(&in, 0, 0) : 0);

			good = !in.broken && play_alloc(&s, (unsigned)value, times);
			break;
		}
		case KIND_FREE:
			value = byte & 0x80 ? next_number(&in, value, 5) : value;
			s.step = value & 1 ? 0 - (value + 1) / 2 : value / 2;
			good = !in.broken && play_free(&s);
			break;
		case KIND_CPU:
			value = byte & 0x80 ? next_number(&in, value, 5) : value;
			s.cpu = (unsigned)value % SUBJECT_CPUS;
			break;
		case KIND_OTHER:
			good = play_other(&s, &in, value);
			break;
		}
	}
	free(s.spare);
	free(s.there);
	return good && !in.broken && s.events == r->events;
}
