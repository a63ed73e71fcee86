/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The protocol of mm/frames_fast.h and mm/frames_cache.c as a model for Spin: two stacks whose level is their lock, one
 * bank with a lock, records that are claimed, two CPUs, and on CPU 0 an interrupt that comes wherever interrupts are not
 * masked, and allocates and frees like anybody (INTERRUPTS: 0, 1, or 2 for both CPUs). tests/proof/spin.py runs it.
 *
 * One step here is one atomic access there, or what only the holder of a lock touches, together with the masking of
 * interrupts on the same CPU, which no other CPU sees. Searching a bank and taking what was found are two steps. Memory
 * is in order: what weaker orders do is for ThreadSanitizer (tests/suites/threads.c). Which stack a context uses is free,
 * each time, since mm/frames_cache.h says that it is no matter of correctness; so CPUs that share a stack, and callers
 * that were moved to another CPU, are in it. All orders take the same frames here: those that no cache holds go to the
 * bank directly. A wait is a step that cannot be made, so a wait that never ends is a deadlock.
 *
 * Asserted: a frame is in one place; nobody gets a frame that has an owner; a free of what one owns is done; a stack and
 * the bank are taken in this order, one of each, with interrupts masked; when nobody is at work, every frame is in the
 * bank, in a stack or owned, and its record says which. And there is no deadlock.
 *
 * CPU 0 also drains, CPU 1 closes stack 0 and opens it again, as when CPU 0 goes and comes, while whoever uses it goes on;
 * with CPU1_ONLY_RESIZES it does nothing else. With DOUBLE all contexts free the same frames at once, each frame
 * once: it is freed exactly once, and found to be freed by the others. With VALIDATE CPU 0 runs frames_validate() while
 * its interrupt and CPU 1 work: nothing is ever lost here, and it must not say so.
 *
 * A macro that begins with WRONG_ takes one precaution away: Spin must find out what it is for.
 */

#ifndef FRAMES
#define FRAMES 3
#endif
#ifndef LIMIT
#define LIMIT 2
#endif
#ifndef INTERRUPTS
#define INTERRUPTS 1
#endif
#define NONE 255 /* no frame; also the bottom of a stack */

#define FREE 0
#define CACHED 1
#define ALLOC 2

/* Where a frame is, by what everybody has done so far. */
#define BANK 0
#define STACK(s) (1 + (s))
#define HANDS(k) (3 + (k)) /* of context k: CPU 0, CPU 1, the interrupt of each */

/* Both stacks: level, frames, bottom. */
#define WORD(s, i) word[(s) * (LIMIT + 2) + (i)]
#define LEVEL(s) WORD(s, 0)

byte word[2 * (LIMIT + 2)];
byte limit[2];	    /* 0: closed */
byte state[FRAMES]; /* what the record says */
bit in_bank[FRAMES];
byte bank_lock; /* 1 + the context that has it */
byte masked[2]; /* interrupts of each CPU; 2: it is in one */

byte place[FRAMES];
byte busy;	/* contexts that are at work */
byte holder[2]; /* of each stack: 1 + the context that has it */
#ifdef DOUBLE
byte freed[FRAMES];
#endif
#ifdef VALIDATE
byte moving; /* frames->moving */
bit moved;   /* the bank's counters are not what they were when they were looked at */
#define bank_moves() moved = 1
#else
#define bank_moves() skip
#endif

/* ---- locks ----------------------------------------------------------------------------------------------------- */

#if defined(WRONG_NO_MASK) || defined(WRONG_DRAIN_WITHOUT_MASK) || defined(WRONG_DRAIN_UNDER_BANK_LOCK)
/* What comes of it is to be found, not that it is so. */
#define discipline(what) skip
#else
#define discipline(what) assert(what)
#endif

/*
 * Whoever is interrupted takes no step that others see. With interrupts masked that goes without saying; a context that
 * works without may be held up at any step.
 */
#define running (handler || masked[cpu] != 2)
#if defined(WRONG_NO_MASK) || defined(WRONG_DRAIN_WITHOUT_MASK)
#define HELD_UP provided (masked[cpu] != 2)
#else
#define HELD_UP
#endif

#ifdef WRONG_NO_MASK
#define mask() running
#define restore() skip
#else
#define mask() running -> masked[cpu] = (handler -> 2 : 1)
#define restore() masked[cpu] = (handler -> 2 : 0)
#endif

#define taken(s)                                           \
	discipline(masked[cpu] && bank_lock != 1 + me);    \
	discipline(holder[0] != 1 + me && holder[1] != 1 + me); \
	assert(holder[s] == 0);                            \
	holder[s] = 1 + me

#define any_stack() if :: s = 0 :: s = 1 fi

/* exclusive_take_above() of any stack, interrupts masked: got. */
#ifdef WRONG_TAKE_IN_TWO_STEPS
#define take_above(floor)                                                        \
	atomic { mask(); any_stack(); lv = LEVEL(s) }                            \
	if                                                                       \
	:: atomic { lv > floor -> LEVEL(s) = 0; got = 1; taken(s) }              \
	:: atomic { else -> got = 0; lv = 0 }                                    \
	fi
#else
#define take_above(floor)                                                        \
	atomic {                                                                 \
		mask();                                                          \
		any_stack();                                                     \
		if                                                               \
		:: LEVEL(s) > floor -> lv = LEVEL(s); LEVEL(s) = 0; got = 1; taken(s) \
		:: else -> got = 0                                               \
		fi                                                               \
	}
#endif

/* stack_lock(), in an atomic step that has masked interrupts. */
#ifdef WRONG_CLOSED_IS_WAITED_FOR
#define stack_lock() LEVEL(s) != 0 -> lv = LEVEL(s); LEVEL(s) = 0; got = 1; taken(s)
#else
#define stack_lock()                                                                          \
	if                                                                                    \
	:: limit[s] != 0 && LEVEL(s) != 0 -> lv = LEVEL(s); LEVEL(s) = 0; got = 1; taken(s)   \
	:: limit[s] == 0 -> got = 0                                                           \
	fi
#endif

#define stack_unlock(s, value) holder[s] = 0; LEVEL(s) = value

/* spin_lock() of the bank; interrupts are masked, or will be. */
#ifdef WRONG_BANK_WITHOUT_LOCK
#define lock_bank() skip
#define mask_and_lock_bank() atomic { mask() }
#define unlock_bank() skip
#else
#define lock_bank() atomic { bank_lock == 0 -> bank_lock = 1 + me; discipline(masked[cpu]) }
#define mask_and_lock_bank() atomic { mask(); bank_lock == 0 -> bank_lock = 1 + me }
#define unlock_bank() bank_lock = 0
#endif

/* ---- the bank, under its lock ------------------------------------------------------------------------------------ */

/* f becomes the lowest free frame, or NONE. */
#define find_in_bank(f)                        \
	f = 0;                                 \
	do                                     \
	:: f < FRAMES && !in_bank[f] -> f++    \
	:: else -> break                       \
	od;                                    \
	if                                     \
	:: f == FRAMES -> f = NONE             \
	:: else                                \
	fi

#define take_from_bank(f)                                              \
	assert(in_bank[f] && place[f] == BANK && state[f] == FREE);    \
	in_bank[f] = 0;                                                \
	place[f] = HANDS(me);                                          \
	bank_moves()

#define give_to_bank(f)                                                     \
	assert(!in_bank[f] && state[f] == CACHED && place[f] == HANDS(me)); \
	state[f] = FREE;                                                    \
	in_bank[f] = 1;                                                     \
	place[f] = BANK;                                                    \
	bank_moves()

/* frames_give_block() */
inline give_block(f)
{
	mask_and_lock_bank();
	d_step { give_to_bank(f) }
	atomic { unlock_bank(); restore() }
}

/* ---- batches, with the stack taken ------------------------------------------------------------------------------- */

/* refill(): half of the empty stack. */
inline refill()
{
	lock_bank();
	d_step {
		n = (limit[s] + 1) / 2;
		do
		:: n > 0 ->
			find_in_bank(x);
			if
			:: x == NONE -> break
			:: else
			fi;
			take_from_bank(x);
			state[x] = CACHED;
			lv--;
			WORD(s, lv) = x;
			place[x] = STACK(s);
			n--
		:: else -> break
		od;
		x = 0;
		n = 0
	}
	unlock_bank()
}

/* spill(): all but the last `keep` go to the bank; the oldest stand highest. */
inline spill(keep)
{
	if
	:: limit[s] + 1 - lv > keep ->
		lock_bank();
		d_step {
			n = limit[s];
			do
			:: n >= lv + keep ->
				x = WORD(s, n);
				assert(place[x] == STACK(s));
				place[x] = HANDS(me);
				give_to_bank(x);
				n--
			:: else -> break
			od
		}
		unlock_bank();
		d_step {
			/* What is kept moves up: from words lv .. n to those below the bottom. */
			x = limit[s];
			do
			:: n >= lv -> WORD(s, x) = WORD(s, n); n--; x--
			:: else -> break
			od;
			lv = x + 1;
			/* What is above the level is never read: one state, not many. */
			do
			:: x > 0 -> WORD(s, x) = 0; x--
			:: else -> break
			od;
			n = 0
		}
	:: else
	fi
}

/* ---- draining ---------------------------------------------------------------------------------------------------- */

/* Stack s; more: it held something. */
inline drain_stack()
{
#if defined(WRONG_DRAIN_WITHOUT_MASK)
	atomic { running; stack_lock() }
#elif defined(WRONG_DRAIN_WITHOUT_LOCK)
	atomic { mask() }
	if
	:: LEVEL(s) != 0 -> lv = LEVEL(s); got = 1
	:: LEVEL(s) == 0 -> got = 0
	fi;
#else
	atomic { mask(); stack_lock() }
#endif
	if
	:: got ->
		more = more || lv <= limit[s];
		spill(0);
		atomic { stack_unlock(s, lv); restore() }
	:: else -> restore()
	fi;
	lv = 0;
	got = 0
}

/* frames_drain() */
inline drain()
{
	more = 0;
	s = 0;
	do
	:: s < 2 -> drain_stack(); s++
	:: else -> break
	od;
	s = 0
}

/* ---- allocation -------------------------------------------------------------------------------------------------- */

/* alloc_once(): the search and the taking are two steps. */
inline bank_once(f)
{
	mask_and_lock_bank();
	d_step { find_in_bank(f) }
	if
	:: f != NONE -> d_step { take_from_bank(f); state[f] = ALLOC }
	:: else
	fi;
#ifdef WRONG_DRAIN_UNDER_BANK_LOCK
	if
	:: f == NONE ->
		atomic { s = 0; stack_lock() }
		if
		:: got -> stack_unlock(s, lv)
		:: else
		fi;
		lv = 0;
		got = 0
	:: else
	fi;
#endif
	atomic { unlock_bank(); restore() }
}

/* frames_alloc_from_banks() */
inline alloc_from_banks(f)
{
	bank_once(f);
	do
	:: f != NONE -> break
	:: f == NONE && tries == 2 -> break
	:: f == NONE && tries < 2 ->
		drain();
		if
		:: more -> more = 0
		:: else -> break
		fi;
		bank_once(f);
		tries++
	od;
	tries = 0
}

/* The top of the stack that is taken, or NONE. */
inline top(f)
{
	d_step {
		f = WORD(s, lv);
		if
		:: f != NONE -> assert(place[f] == STACK(s) && state[f] == CACHED); state[f] = ALLOC; place[f] = HANDS(me)
		:: else
		fi
	}
	if
	:: f != NONE -> atomic { WORD(s, lv) = 0; stack_unlock(s, lv + 1); restore() }
	:: else -> atomic { stack_unlock(s, lv); restore() }
	fi
}

/* A frame of this context's own, or NONE; by a cache, or straight from a bank as orders are that no cache holds. */
inline alloc(f)
{
	if
	:: skip
	:: f = NONE; goto_bank = 1
	fi;
	if
	:: !goto_bank ->
		/* frames_try_pop() */
		take_above(0);
		if
		:: got -> top(f)
		:: else -> atomic { f = NONE; restore() }
		fi;
		if
		:: f == NONE ->
			/* frames_pop_slow() */
			atomic { mask(); any_stack(); stack_lock() }
			if
			:: got ->
				if
				:: lv == limit[s] + 1 -> refill()
				:: else
				fi;
				top(f)
			:: else -> restore()
			fi
		:: else
		fi
	:: else
	fi;
	s = 0; lv = 0; got = 0; goto_bank = 0;
	if
	:: f == NONE -> alloc_from_banks(f)
	:: else
	fi;
	s = 0
}

/* ---- free -------------------------------------------------------------------------------------------------------- */

/* exclusive_flip() of the record: got. Whose step it was has the frame. */
#if defined(WRONG_CLAIM_IN_TWO_STEPS)
#define claim(f)                                                                 \
	if                                                                       \
	:: running && state[f] == ALLOC -> atomic { running; state[f] = CACHED; place[f] = HANDS(me); got = 1 } \
	:: running && state[f] != ALLOC -> got = 0                                          \
	fi
#elif defined(WRONG_NO_CLAIM)
#define claim(f) atomic { running -> state[f] = CACHED; place[f] = HANDS(me); got = 1 }
#else
#define claim(f)                                                                 \
	if                                                                       \
	:: atomic { running && state[f] == ALLOC -> state[f] = CACHED; place[f] = HANDS(me); got = 1 } \
	:: atomic { running && state[f] != ALLOC -> got = 0 }                               \
	fi
#endif

#ifdef WRONG_FULL_IS_NOT_SEEN
#define FULL 0
#else
#define FULL 1
#endif

/* On the stack that is taken. */
inline put_on_top(f)
{
	lv--;
#ifdef WRONG_RELEASE_BEFORE_STORE
	atomic { stack_unlock(s, lv) }
	atomic { WORD(s, lv) = f; place[f] = STACK(s); restore() }
#else
	d_step { assert(place[f] == HANDS(me)); WORD(s, lv) = f; place[f] = STACK(s) }
	atomic { stack_unlock(s, lv); restore() }
#endif
}

/* frames_moving() */
#if defined(VALIDATE) && !defined(WRONG_MOVING_IS_NOT_SAID)
#define frames_moving(delta) atomic { running -> moving = moving + (delta) };
#else
#define frames_moving(delta)
#endif

/* frames_try_free(): done. Nothing is locked at first; interrupts may come. */
inline try_free(f, done)
{
	frames_moving(1)
	claim(f);
	if
	:: got ->
		done = 1;
		got = 0;
		if
		:: skip ->
			/* frames_push_slow() */
			atomic { mask(); any_stack(); stack_lock() }
			if
			:: got ->
				if
				:: lv == 1 -> spill(limit[s] / 2)
				:: else
				fi;
				put_on_top(f)
			:: else -> restore(); give_block(f)
			fi
		/* frames_free_bulk() brings what it has claimed to the bank. */
		:: skip -> give_block(f)
		fi
	:: else
	fi;
	frames_moving(-1)
}

/* done: whether the frame was this context's to free. */
inline free(f, done)
{
	if
	:: skip ->
		/* frames_push() */
		take_above(FULL);
		if
		:: got ->
			claim(f);
			if
			:: got -> done = 1; put_on_top(f)
			:: else -> atomic { stack_unlock(s, lv); restore() }
			fi
		:: else -> restore()
		fi
	:: skip ->
		/* frames_free_any(): as an order that no cache holds. */
		mask_and_lock_bank();
		claim(f);
		if
		:: got -> atomic { done = 1; give_to_bank(f) }
		:: else
		fi;
		atomic { unlock_bank(); restore() }
	fi;
	s = 0; lv = 0; got = 0;
	/* frames_free_slow() */
	do
	:: !done ->
		try_free(f, done);
		s = 0; lv = 0; got = 0;
		if
		:: !done ->
			/* frames_query() and frames_judge(): a double free, or once more. */
			mask_and_lock_bank();
			got = state[f] != ALLOC;
			atomic { unlock_bank(); restore() }
			if
			:: got -> got = 0; break
			:: else
			fi
		:: else
		fi
	:: else -> break
	od
}

/* ---- a CPU goes or comes ------------------------------------------------------------------------------------------ */

/* resize() of stack 0, under frames->cpus_lock. */
inline resize(to)
{
	atomic { mask(); s = 0; stack_lock() }
	if
	:: got ->
#ifndef WRONG_CLOSE_WITHOUT_SPILL
		spill(0)
#endif
	:: else -> atomic { taken(s) }
	fi;
	d_step {
		n = 1;
		do
		:: n <= LIMIT + 1 -> WORD(s, n) = 0; n++
		:: else -> break
		od;
		n = 0;
		WORD(s, to + 1) = NONE
	}
	limit[s] = to;
	atomic { stack_unlock(s, (to -> to + 1 : 0)); restore() }
	s = 0; lv = 0; got = 0;
	busy--
}

/* ---- nobody is at work -------------------------------------------------------------------------------------------- */

inline account()
{
	d_step {
		assert(!bank_lock && !holder[0] && !holder[1]);
		x = 0;
		do
		:: x < FRAMES ->
			n = in_bank[x];
			s = 0;
			do
			:: s < 2 ->
				assert((limit[s] != 0) == (LEVEL(s) != 0));
				lv = LEVEL(s);
				do
				:: LEVEL(s) && lv <= limit[s] -> n = n + (WORD(s, lv) == x); lv++
				:: else -> break
				od;
				s++
			:: else -> break
			od;
			n = n + (place[x] >= HANDS(0));
			assert(n == 1);
			assert((state[x] == FREE) == in_bank[x]);
			assert((state[x] == ALLOC) == (place[x] >= HANDS(0)));
			x++
		:: else -> break
		od;
		x = 0;
		n = 0;
		s = 0;
		lv = 0
	}
}

inline set_up(limit0, limit1)
{
	limit[0] = limit0;
	limit[1] = limit1;
	s = 0;
	do
	:: s < 2 -> LEVEL(s) = (limit[s] -> limit[s] + 1 : 0); WORD(s, limit[s] + 1) = NONE; s++
	:: else -> break
	od;
	s = 0
}

/* ---- frames_validate() -------------------------------------------------------------------------------------------- */

#ifdef VALIDATE

/* cached: frames whose records say so; the bank is locked. */
#define count_cached()                                                           \
	d_step {                                                                 \
		x = 0;                                                           \
		cached = 0;                                                      \
		do                                                               \
		:: x < FRAMES -> cached = cached + (state[x] == CACHED); x++     \
		:: else -> break                                                 \
		od;                                                              \
		x = 0                                                            \
	}

/* held_now(): held. */
inline count_held()
{
	held = 0;
	s = 0;
	do
	:: s < 2 ->
		atomic { mask(); stack_lock() }
		if
		:: got -> held = held + limit[s] + 1 - lv; atomic { stack_unlock(s, lv); restore() }
		:: else -> restore()
		fi;
		s++;
		lv = 0;
		got = 0
	:: else -> break
	od;
	s = 0
}

/* Whoever has one stack may take the other, too, here. */
#define lock_too(s)                                                                                 \
	if                                                                                          \
	:: limit[s] != 0 && LEVEL(s) != 0 -> frozen[s] = LEVEL(s); LEVEL(s) = 0; holder[s] = 1 + me \
	:: limit[s] == 0                                                                            \
	fi
#define let_go(s)                                                             \
	if                                                                    \
	:: frozen[s] -> atomic { stack_unlock(s, frozen[s]); frozen[s] = 0 }  \
	:: else                                                               \
	fi

/* find_lost(): five times in the C, as often as it likes here. */
inline find_lost()
{
	do
	:: skip ->
#ifdef WRONG_STACKS_GO_ON
		atomic { mask() }
#else
		atomic { mask(); lock_too(0) }
		atomic { lock_too(1) }
		held = (frozen[0] -> limit[0] + 1 - frozen[0] : 0) + (frozen[1] -> limit[1] + 1 - frozen[1] : 0);
#endif
		lock_bank();
		moved = 0;
		unlock_bank();
		lock_bank();
		count_cached();
		unlock_bank();
#ifdef WRONG_STACKS_GO_ON
		atomic { restore() }
		count_held();
		atomic { mask() }
#endif
#ifdef WRONG_MOVING_IS_LOOKED_AT_LAST
		lock_bank();
		got = moved;
		unlock_bank();
		got = got || moving != 0;
#else
		got = moving != 0;
#ifndef WRONG_MOVES_ARE_NOT_LOOKED_AT
		lock_bank();
		got = got || moved;
		unlock_bank();
#endif
#endif
		assert(cached <= held || got);
		got = 0;
		held = 0;
		cached = 0;
#ifndef WRONG_STACKS_GO_ON
		let_go(0);
		let_go(1);
#endif
		restore()
	:: break
	od
}

inline validate()
{
	drain();
	more = 0;
	mask_and_lock_bank();
	count_cached();
	atomic { unlock_bank(); restore() }
	count_held();
	if
	:: cached > held -> cached = 0; held = 0; find_lost()
	:: else
	fi;
	cached = 0;
	held = 0
}

#endif

/* ---- who does it ------------------------------------------------------------------------------------------------- */

#define locals byte s, lv, x, n, tries; bit got, more, goto_bank, done

#ifdef DOUBLE

/* Each context frees each frame; they are nobody's in particular. */
#define free_each()                                                              \
	do                                                                       \
	:: mine < FRAMES -> free(mine, done); atomic { freed[mine] = freed[mine] + done; done = 0; mine++ } \
	:: else -> break                                                         \
	od

proctype thread(byte cpu) HELD_UP
{
	locals;
	byte mine, me = cpu;
	bit handler;

	free_each();
	if
	:: cpu == 0 -> drain(); more = 0
	:: else
	fi
}

proctype interrupt(byte cpu)
{
	locals;
	byte mine, me = 2 + cpu;
	bit handler = 1;

	atomic { !masked[cpu] -> masked[cpu] = 2 }
	free_each();
	masked[cpu] = 0
}

init
{
	byte s, lv, x, n;

	atomic {
		do
		:: x < FRAMES -> state[x] = ALLOC; place[x] = HANDS(0); x++
		:: else -> break
		od;
		x = 0;
		if
		:: set_up(LIMIT, LIMIT)
		:: set_up(0, LIMIT)
		fi;
		run thread(0);
		run thread(1);
#if INTERRUPTS > 0
		run interrupt(0);
#endif
#if INTERRUPTS > 1
		run interrupt(1);
#endif
	}
	_nr_pr == 1;
	account();
	d_step {
		do
		:: x < FRAMES -> assert(freed[x] == 1); x++
		:: else -> break
		od
	}
}

#else

#define alloc_or_free()                                                          \
	:: atomic { mine == NONE -> busy++ } alloc(mine); busy--                 \
	:: atomic {                                                              \
		mine != NONE ->                                                  \
		assert(state[mine] == ALLOC && place[mine] == HANDS(me));        \
		busy++                                                           \
	   }                                                                     \
		free(mine, done);                                                \
		atomic { assert(done); mine = NONE; done = 0; busy-- }

proctype thread(byte cpu) HELD_UP
{
	locals;
	byte mine = NONE, me = cpu;
	bit handler;
#ifdef VALIDATE
	byte cached, held, frozen[2];
#endif

end_idle:
	do
#ifdef VALIDATE
	:: atomic { cpu == 0 -> busy++ } validate(); busy--
	:: cpu == 1 ->
		if
		alloc_or_free()
		fi
#else
#ifdef CPU1_ONLY_RESIZES
	:: cpu == 0 ->
		if
		alloc_or_free()
		fi
#else
	alloc_or_free()
#endif
	:: atomic { cpu == 0 -> busy++ } drain(); more = 0; busy--
	:: atomic { cpu == 1 && limit[0] -> busy++ } resize(0)
	:: atomic { cpu == 1 && !limit[0] -> busy++ } resize(LIMIT)
#endif
	:: atomic { busy == 0 -> account() }
	od
}

/* Gets a frame and gives it back. */
proctype interrupt(byte cpu)
{
	locals;
	byte mine = NONE, me = 2 + cpu;
	bit handler = 1;

end_idle:
	do
	:: atomic { !masked[cpu] -> masked[cpu] = 2; busy++ }
		alloc(mine);
		if
		:: mine != NONE ->
			assert(state[mine] == ALLOC && place[mine] == HANDS(me));
			free(mine, done);
			assert(done)
		:: else
		fi;
		atomic { mine = NONE; done = 0; masked[cpu] = 0; busy-- }
	od
}

init
{
	byte s, x;

	atomic {
		do
		:: x < FRAMES -> in_bank[x] = 1; x++
		:: else -> break
		od;
		x = 0;
		if
		:: set_up(LIMIT, LIMIT)
#ifdef VALIDATE
		:: set_up(0, LIMIT)
#endif
		fi;
		run thread(0);
		run thread(1);
#if INTERRUPTS > 0
		run interrupt(0);
#endif
#if INTERRUPTS > 1
		run interrupt(1);
#endif
	}
}

#endif
