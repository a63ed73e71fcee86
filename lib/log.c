/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log: text straight to the sink, or into a ring of 16 KiB while there is none. The ring holds records of two header bytes
 * (flags, length) and the text, addressed by running indices; a record that does not fit pushes out the oldest ones.
 */
#include "lib/log.h"
#include "lib/printf.h"

#define RING_SIZE 16384u /* a power of two: indices run on and are masked */
#define HEADER 2u
#define CHUNK 240u /* longest text of a record, and of one call of the sink: one stack buffer */

#define REC_LEVEL 0x0f
#define REC_SEEN 0x10

bool log_drops_verbose;

static uint8_t ring[RING_SIZE];
static struct {
	uint32_t head; /* next byte to write */
	uint32_t tail; /* first header of the oldest record */
	uint32_t lost; /* records that nobody has seen and nobody will */
	log_sink_fn sink;
	bool verbose;
	bool verbose_decided;
	unsigned long (*lock)(void);
	void (*unlock)(unsigned long state);
} state;

_Static_assert((RING_SIZE & (RING_SIZE - 1)) == 0, "indices wrap with the ring");
_Static_assert(CHUNK <= UINT8_MAX, "a record's length is one byte");

static uint8_t *at(uint32_t index)
{
	return &ring[index & (RING_SIZE - 1)];
}

static uint32_t record_size(uint32_t index)
{
	return HEADER + *at(index + 1);
}

/* [L15] */
static void ring_append(enum log_level level, const char *text, size_t n)
{
	uint32_t need = HEADER + (uint32_t)n;

	while (RING_SIZE - (state.head - state.tail) < need) {
		if (!(*at(state.tail) & REC_SEEN))
			state.lost++;
		state.tail += record_size(state.tail);
	}
	*at(state.head) = (uint8_t)level;
	*at(state.head + 1) = (uint8_t)n;
	for (uint32_t i = 0; i < n; i++)
		*at(state.head + HEADER + i) = (uint8_t)text[i];
	state.head += need;
}

/* Whether a record of this level goes to the sink now; if not, *keep says whether it may be wanted later. */
static bool wanted(enum log_level level, bool *keep)
{
	bool undecided = level >= LOG_VERBOSE && !state.verbose_decided;

	*keep = undecided || !state.sink;
	return state.sink && !undecided && (level < LOG_VERBOSE || state.verbose);
}

/* Shows what the ring holds for the sink. Records that stay (verbose, undecided) are not marked. [L14] [L16] */
static void replay(void)
{
	char text[CHUNK];
	bool keep;

	if (!state.sink)
		return;
	if (state.lost) {
		int n = gr_snprintf(text, sizeof(text), "log: %u early messages lost\n", state.lost);

		state.lost = 0;
		state.sink(text, (size_t)n);
	}
	for (uint32_t i = state.tail; i != state.head; i += record_size(i)) {
		enum log_level level = *at(i) & REC_LEVEL;
		uint32_t n = *at(i + 1);
		bool show;

		if (*at(i) & REC_SEEN)
			continue;
		show = wanted(level, &keep);
		if (!keep)
			*at(i) |= REC_SEEN; /* shown, or decided against */
		if (!show)
			continue;
		for (uint32_t k = 0; k < n; k++)
			text[k] = (char)*at(i + HEADER + k);
		state.sink(text, n);
	}
	while (state.tail != state.head && (*at(state.tail) & REC_SEEN))
		state.tail += record_size(state.tail);
}

static unsigned long log_lock(void)
{
	return state.lock ? state.lock() : 0;
}

static void log_unlock(unsigned long flags)
{
	if (state.unlock)
		state.unlock(flags);
}

/* The text of one call, in pieces of CHUNK bytes. */
struct line {
	enum log_level level;
	uint32_t n;
	char text[CHUNK];
};

static void line_flush(struct line *l)
{
	bool keep;

	if (l->n == 0)
		return;
	if (wanted(l->level, &keep))
		state.sink(l->text, l->n);
	else if (keep)
		ring_append(l->level, l->text, l->n);
	l->n = 0;
}

static void line_put(void *ctx, const char *s, size_t n)
{
	struct line *l = ctx;

	for (size_t i = 0; i < n; i++) {
		if (l->n == CHUNK)
			line_flush(l);
		l->text[l->n++] = s[i];
	}
}

/* [L13] */
void log_vprintf(enum log_level level, const char *fmt, va_list ap)
{
	struct line l; /* not initialised as a whole: 240 bytes for nothing */
	unsigned long flags;
	bool keep;

	flags = log_lock();
	if (wanted(level, &keep) || keep) {
		l.level = level;
		l.n = 0;
		gr_format(line_put, &l, fmt, ap);
		line_flush(&l);
	}
	log_unlock(flags);
}

void log_printf(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vprintf(level, fmt, ap);
	va_end(ap);
}

/* [L14] */
void log_set_verbose(bool on)
{
	unsigned long flags = log_lock();

	state.verbose = on;
	state.verbose_decided = true;
	log_drops_verbose = !on;
	replay();
	log_unlock(flags);
}

bool log_is_verbose(void)
{
	return state.verbose;
}

/* [L16] */
void log_set_sink(log_sink_fn sink)
{
	unsigned long flags = log_lock();

	state.sink = sink;
	replay();
	log_unlock(flags);
}

log_sink_fn log_sink(void)
{
	return state.sink;
}

/* [L17] */
void log_set_lock(unsigned long (*lock)(void), void (*unlock)(unsigned long state))
{
	state.lock = lock;
	state.unlock = unlock;
}
