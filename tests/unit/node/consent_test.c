#include "node/consent.h"

#include <criterion/criterion.h>

#include "node/registry.h"

static const struct torap_wall start = { 1000 }, end = { 2000 }, before = { 999 }, last = { 1999 };
static const struct node_site shop = { .id = "shop", .owner = NODE_OWNER_PRIVATE };
static const struct node_site school = { .id = "school", .owner = NODE_OWNER_PUBLIC };

static struct node_device at(const struct node_site *site, const char *ref)
{
	return (struct node_device){ .site = site, .consent = { .ref = ref, .from = start, .until = end } };
}

Test(consent, is_not_needed_at_a_public_site)
{
	struct node_device d = at(&school, "");
	cr_expect_not(node_consent_needed(&d));
	cr_expect_eq(node_consent_at(&d, start), NODE_CONSENT_NOT_NEEDED);
	cr_expect(node_consent_allows(NODE_CONSENT_NOT_NEEDED));
}

Test(consent, holds_from_its_begin_until_before_its_end)
{
	struct node_device d = at(&shop, "7");
	cr_expect_eq(node_consent_at(&d, before), NODE_CONSENT_NOT_YET);
	cr_expect_eq(node_consent_at(&d, start), NODE_CONSENT_VALID);
	cr_expect_eq(node_consent_at(&d, last), NODE_CONSENT_VALID);
	cr_expect_eq(node_consent_at(&d, end), NODE_CONSENT_EXPIRED);
}

Test(consent, without_an_end_holds_on)
{
	struct node_device d = at(&shop, "7");
	d.consent.until = (struct torap_wall){ 0 };
	cr_expect_eq(node_consent_at(&d, (struct torap_wall){ INT64_MAX }), NODE_CONSENT_VALID);
}

/* Dates alone give no right: there must be a document. */
Test(consent, without_a_document_is_missing)
{
	struct node_device d = at(&shop, "");
	cr_expect_eq(node_consent_at(&d, start), NODE_CONSENT_MISSING);
}

Test(consent, ends_with_its_withdrawal)
{
	struct node_device d = at(&shop, "7");
	d.consent.withdrawn = true;
	d.consent.withdrawn_at = (struct torap_wall){ 1500 };
	cr_expect_eq(node_consent_at(&d, (struct torap_wall){ 1499 }), NODE_CONSENT_VALID);
	cr_expect_eq(node_consent_at(&d, (struct torap_wall){ 1500 }), NODE_CONSENT_WITHDRAWN);
	cr_expect_eq(node_consent_at(&d, end), NODE_CONSENT_WITHDRAWN);
}

Test(consent, lets_nothing_out_in_any_other_state)
{
	static const enum node_consent closed[] = { NODE_CONSENT_MISSING, NODE_CONSENT_NOT_YET,
		NODE_CONSENT_EXPIRED, NODE_CONSENT_WITHDRAWN };
	for (size_t i = 0; i < sizeof closed / sizeof *closed; i++)
		cr_expect_not(node_consent_allows(closed[i]), "%s", node_consent_name(closed[i]));
	cr_expect(node_consent_allows(NODE_CONSENT_VALID));
}
