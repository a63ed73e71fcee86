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
#define TRACE_CPUS 8

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
	bool *there; /* which blocks the trace has */
	/* Numbers of blocks that are free, each CPU's own: a list from the one that was free last. */
	uint32_t *below; /* of each number, the next of its list */
	struct cpu {
		uint32_t spare;
		uint64_t freed; /* number of the block that it freed last, and how far it was from the one before */
		uint64_t step;
	} cpu[TRACE_CPUS];
	unsigned running;
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
	struct cpu *cpu = &s->cpu[s->running];

	while (times--) {
		uint32_t number = cpu->spare;

		if (number >= s->recording->blocks || order > MAX_ORDER)
			return false;
		cpu->spare = s->below[number];
		s->there[number] = true;
		(void)player_alloc(s->player, s->running % SUBJECT_CPUS, number, order);
		count_event(s);
	}
	return true;
}

/* The CPU frees the block that is `step` further than the one before. */
static bool play_free(struct play *s)
{
	struct cpu *cpu = &s->cpu[s->running];
	uint64_t number = cpu->freed += cpu->step;

	if (number >= s->recording->blocks || !s->there[number])
		return false;
	s->there[number] = false;
	if (s->player->block[number].live)
		player_free(s->player, s->running % SUBJECT_CPUS, (uint32_t)number);
	s->below[number] = s->cpu[number % TRACE_CPUS].spare;
	s->cpu[number % TRACE_CPUS].spare = (uint32_t)number;
	count_event(s);
	return true;
}

static bool play_cpu(struct play *s, uint64_t value)
{
	s->running = (unsigned)value % TRACE_CPUS;
	switch (value / TRACE_CPUS) {
	case 0:
		return true;
	case 1:
		return play_alloc(s, 0, 1);
	case 2:
		return play_free(s);
	default:
		return false;
	}
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
	struct play s = { .recording = r, .player = p };
	bool good;

	s.there = calloc(r->blocks, sizeof(*s.there));
	s.below = calloc(r->blocks, sizeof(*s.below));
	good = s.there && s.below;
	for (uint32_t i = 0; i < TRACE_CPUS; i++)
		s.cpu[i].spare = i;
	for (uint32_t i = 0; good && i < r->blocks; i++)
		s.below[i] = i + TRACE_CPUS;
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
			s.cpu[s.running].step = value & 1 ? 0 - (value + 1) / 2 : value / 2;
			good = !in.broken && play_free(&s);
			break;
		case KIND_CPU:
			good = play_cpu(&s, value);
			break;
		case KIND_OTHER:
			good = play_other(&s, &in, value);
			break;
		}
	}
	free(s.there);
	free(s.below);
	return good && !in.broken && s.events == r->events;
}
