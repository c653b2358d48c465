#include "agents/kit/offers.h"

#include <criterion/criterion.h>

#include "agents/kit/kit.h"
#include "base/buffer.h"
#include "base/limits.h"

static struct kit_offers offers;

static void clear(void)
{
	kit_offers_clear(&offers);
}

TestSuite(offers, .fini = clear);

static int add(uint64_t id, size_t address_size)
{
	Torap__Observation o = TORAP__OBSERVATION__INIT;
	char *address = calloc(1, address_size + 1);
	memset(address, 'x', address_size);
	o.id = id;
	o.address = address;
	int r = kit_offers_add(&offers, &o, torap__observation__get_packed_size(&o));
	free(address);
	return r;
}

/* Takes all messages and counts their observations, whose ids must rise by one. */
static unsigned take_all(void)
{
	unsigned seen = 0;
	for (unsigned i = 0; i < offers.count; i++) {
		struct torap_buffer *body = kit_offers_take(&offers, i);
		cr_assert_not_null(body);
		Torap__Offer *offer = torap__offer__unpack(NULL, body->size, body->data);
		cr_assert_not_null(offer);
		cr_expect_leq(offer->n_observations, TORAP_OFFER_OBSERVATIONS_MAX);
		for (size_t n = 0; n < offer->n_observations; n++)
			cr_assert_eq(offer->observations[n]->id, ++seen);
		torap__offer__free_unpacked(offer, NULL);
		torap_buffer_unref(body);
	}
	return seen;
}

Test(offers, are_read_by_a_node_as_they_were_given)
{
	for (uint64_t id = 1; id <= 3; id++)
		cr_assert_eq(add(id, 10), 0);
	cr_expect_eq(offers.count, 1);
	cr_expect_eq(take_all(), 3);
}

Test(offers, begin_another_message_when_one_has_as_many_as_it_may)
{
	for (uint64_t id = 1; id <= TORAP_OFFER_OBSERVATIONS_MAX + 1; id++)
		cr_assert_eq(add(id, 1), 0);
	cr_expect_eq(offers.count, 2);
	cr_expect_eq(take_all(), TORAP_OFFER_OBSERVATIONS_MAX + 1);
}

Test(offers, say_full_and_can_be_used_again_when_cleared)
{
	uint64_t id = 1;
	int r;
	for (; (r = add(id, 520 << 10)) == 0; id++)
		cr_assert_leq(id, KIT_OFFERS_MAX);
	cr_expect_eq(r, KIT_FULL);
	cr_expect_eq(offers.count, KIT_OFFERS_MAX);
	kit_offers_clear(&offers);
	cr_assert_eq(add(1, 10), 0);
	cr_expect_eq(take_all(), 1);
}
