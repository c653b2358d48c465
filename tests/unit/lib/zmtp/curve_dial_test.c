/* Both sides of zmtp/curve.h, one of them spoiled.  curve_test.c has the listening side against a client by hand. */
#include <criterion/criterion.h>
#include <string.h>

#include "kit/zmtp_client.h"
#include "zmtp/curve.h"

enum { LISTENER = 1, DIALLER = 2, OTHER = 3, READY_SIZE = TORAP_CURVE_READY_OVERHEAD + 4 };

struct sides {
	struct torap_curve_keys listener, dialler;
	struct torap_curve_opening a, b; /* of who listens, of who dials */
	struct torap_curve in, out;      /* likewise */
	uint8_t hello[TORAP_CURVE_HELLO_SIZE], welcome[TORAP_CURVE_WELCOME_SIZE];
	uint8_t initiate[TORAP_CURVE_INITIATE_MIN + 4], ready[READY_SIZE];
};

static const struct torap_bytes metadata = { (const uint8_t *)"data", 4 };

/* As far as WELCOME. */
static void begin(struct sides *s)
{
	*s = (struct sides){ 0 };
	zmtp_keys(LISTENER, s->listener.public, s->listener.secret);
	zmtp_keys(DIALLER, s->dialler.public, s->dialler.secret);
	cr_assert(torap_curve_hello(&s->b, s->hello, s->listener.public));
	cr_assert(
		torap_curve_welcome(&s->a, s->welcome, &s->listener, torap_bytes(s->hello, sizeof s->hello)));
}

static bool answer(struct sides *s)
{
	return torap_curve_answer(&s->out, &s->b, s->initiate, &s->dialler, s->listener.public,
		torap_bytes(s->welcome, sizeof s->welcome), metadata);
}

/* As far as READY, which is not taken yet. */
static void admit(struct sides *s)
{
	uint8_t who[TORAP_CURVE_KEY_SIZE];
	struct torap_bytes heard;
	begin(s);
	cr_assert(answer(s));
	cr_assert(torap_curve_initiate(
		&s->in, &s->a, who, &heard, &s->listener, s->initiate, sizeof s->initiate));
	cr_assert_arr_eq(who, s->dialler.public, sizeof who);
	cr_assert(torap_bytes_equal(heard, metadata));
	torap_curve_ready(&s->in, s->ready, metadata);
}

static void carry(struct torap_curve *from, struct torap_curve *to, uint8_t flags, const char *text)
{
	uint8_t message[TORAP_CURVE_MESSAGE_OVERHEAD + 64], heard_flags;
	struct torap_bytes said = torap_bytes(text, strlen(text)), heard;
	torap_curve_seal(from, message, flags, said);
	cr_assert(torap_curve_open(
		to, &heard_flags, &heard, message, TORAP_CURVE_MESSAGE_OVERHEAD + said.size));
	cr_assert_eq(heard_flags, flags);
	cr_assert(torap_bytes_equal(heard, said));
}

Test(curve_dial, shakes_hands_with_the_listening_side)
{
	struct sides s;
	struct torap_bytes heard;
	admit(&s);
	cr_assert(torap_curve_admitted(&s.out, &heard, s.ready, sizeof s.ready));
	cr_assert(torap_bytes_equal(heard, metadata));
	for (int i = 0; i < 3; i++) {
		carry(&s.out, &s.in, TORAP_CURVE_MORE, "there");
		carry(&s.in, &s.out, 0, "and back");
	}
}

/* Nothing of WELCOME can be another without its being seen; nor can it be shorter. */
Test(curve_dial, takes_no_welcome_that_was_touched)
{
	for (size_t i = 0; i < TORAP_CURVE_WELCOME_SIZE; i++) {
		struct sides s;
		begin(&s);
		s.welcome[i] ^= 0x10;
		cr_assert_not(answer(&s), "byte %zu", i);
	}
	struct sides s;
	begin(&s);
	cr_assert_not(torap_curve_answer(&s.out, &s.b, s.initiate, &s.dialler, s.listener.public,
		torap_bytes(s.welcome, sizeof s.welcome - 1), metadata));
}

Test(curve_dial, takes_no_welcome_of_somebody_else)
{
	struct sides s;
	uint8_t secret[TORAP_CURVE_KEY_SIZE], other[TORAP_CURVE_KEY_SIZE];
	begin(&s);
	zmtp_keys(OTHER, other, secret);
	cr_assert_not(torap_curve_answer(&s.out, &s.b, s.initiate, &s.dialler, other,
		torap_bytes(s.welcome, sizeof s.welcome), metadata));
}

Test(curve_dial, takes_no_ready_that_was_touched)
{
	struct torap_bytes heard;
	for (size_t i = 0; i < READY_SIZE; i++) {
		struct sides s;
		admit(&s);
		s.ready[i] ^= 0x10;
		cr_assert_not(torap_curve_admitted(&s.out, &heard, s.ready, sizeof s.ready), "byte %zu", i);
	}
	for (size_t size = 0; size < READY_SIZE; size++) {
		struct sides s;
		admit(&s);
		cr_assert_not(torap_curve_admitted(&s.out, &heard, s.ready, size), "%zu bytes", size);
	}
}

/* Each direction has nonces of its own: what is sent back to who said it is not taken. */
Test(curve_dial, does_not_hear_itself)
{
	struct sides s;
	struct torap_bytes heard;
	uint8_t message[TORAP_CURVE_MESSAGE_OVERHEAD + 4], flags;
	admit(&s);
	cr_assert(torap_curve_admitted(&s.out, &heard, s.ready, sizeof s.ready));
	for (uint64_t i = 0; i < 3; i++)
		torap_curve_seal(&s.out, message, 0, metadata);
	cr_assert_not(torap_curve_open(&s.out, &flags, &heard, message, sizeof message));
}
