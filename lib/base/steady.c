#include "base/steady.h"

#define JUMP_US (3600 * (int64_t)TORAP_US_PER_S)
enum { WAIT_MS = 10 * 60 * 1000 };

static bool is_jump(int64_t a_us, int64_t b_us)
{
	int64_t by_us;
	return __builtin_sub_overflow(a_us, b_us, &by_us) || by_us > JUMP_US || by_us < -JUMP_US;
}

static void jump(struct torap_steady *s, int64_t offset_us, struct torap_mono mono)
{
	s->offset_us = offset_us;
	s->waiting = true;
	s->until = torap_mono_add_ms(mono, WAIT_MS);
	s->jumps++;
}

void torap_steady_init(
	struct torap_steady *s, struct torap_mono mono, struct torap_wall wall, struct torap_wall last)
{
	*s = (struct torap_steady){ .offset_us = wall.us - mono.us };
	if (last.us && is_jump(wall.us, last.us))
		jump(s, s->offset_us, mono);
}

bool torap_steady_look(struct torap_steady *s, struct torap_mono mono, struct torap_wall wall)
{
	int64_t offset_us = wall.us - mono.us;
	if (is_jump(offset_us, s->offset_us))
		jump(s, offset_us, mono);
	else if (s->waiting && torap_mono_reached(s->until, mono))
		s->waiting = false;
	return !s->waiting;
}
