#include "conf/retention.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/time.h"

/* 0 stands for "says nothing"; what 64 bits of microseconds cannot hold lasts for ever. */
static int64_t from_seconds(uint64_t s)
{
	return s == 0 || s > INT64_MAX / TORAP_US_PER_S ? TORAP_FOR_EVER : (int64_t)s * TORAP_US_PER_S;
}

static void copy_rules(struct torap_retention_rules *out, Torap__RetentionRule *const *in,
	const struct torap_grant_row *rows)
{
	for (size_t i = 0; i < out->count; i++) {
		struct torap_retention_rule *rule = &out->list[i];
		rule->match = rows[i];
		rule->lane = in[i]->lane;
		rule->term.keep_us = from_seconds(in[i]->keep_s);
		rule->term.at_most_us = from_seconds(in[i]->at_most_s);
		if (in[i]->match && in[i]->match->n_parts)
			continue;
		for (int part = TORAP__PART_KIND__PART_OPEN; part <= TORAP__PART_KIND__PART_IMAGE; part++)
			rule->match.parts[part] = true;
	}
}

static int digest_rules(struct torap_retention_rules *out, Torap__RetentionRule *const *in)
{
	crypto_generichash_state state;
	uint8_t digest[crypto_generichash_BYTES];
	crypto_generichash_init(&state, NULL, 0, sizeof digest);
	for (size_t i = 0; i < out->count; i++) {
		size_t size = torap__retention_rule__get_packed_size(in[i]);
		uint8_t *packed = malloc(size + 1);
		if (!packed)
			return -ENOMEM;
		torap__retention_rule__pack(in[i], packed);
		crypto_generichash_update(&state, (const uint8_t *)&size, sizeof size);
		crypto_generichash_update(&state, packed, size);
		free(packed);
	}
	crypto_generichash_final(&state, digest, sizeof digest);
	for (unsigned i = 0; i < sizeof out->fingerprint; i++)
		out->fingerprint = out->fingerprint << 8 | digest[i];
	return 0;
}

int torap_retention_rules_decode(struct torap_retention_rules *out, Torap__RetentionRule *const *in,
	size_t count, struct torap_error *err)
{
	static Torap__GrantRow everything = TORAP__GRANT_ROW__INIT;
	Torap__GrantRow **matches = calloc(count ? count : 1, sizeof(Torap__GrantRow *));
	out->list = calloc(count ? count : 1, sizeof *out->list);
	if (!matches || !out->list) {
		free(matches);
		return torap_errorf(err, -ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < count; i++)
		matches[i] = in[i]->match ? in[i]->match : &everything;
	struct torap_grant_row *rows = NULL;
	size_t rows_count;
	int r = torap_grant_rows_decode(&rows, &rows_count, matches, count, err);
	free(matches);
	if (r)
		return r;
	out->count = count;
	copy_rules(out, in, rows);
	free(rows); /* What is in the rows belongs to the rules now. */
	r = digest_rules(out, in);
	return r ? torap_errorf(err, r, "out of memory") : 0;
}

void torap_retention_rules_finish(struct torap_retention_rules *rules)
{
	for (size_t i = 0; rules->list && i < rules->count; i++)
		torap_grant_row_finish(&rules->list[i].match);
	free(rules->list);
	*rules = (struct torap_retention_rules){ 0 };
}

static bool share_number(const uint16_t *a, size_t a_count, const uint16_t *b, size_t b_count)
{
	if (a_count == 0 || b_count == 0)
		return true; /* An empty list matches all. */
	for (size_t i = 0; i < a_count; i++)
		for (size_t k = 0; k < b_count; k++)
			if (a[i] == b[k])
				return true;
	return false;
}

static bool share_part(const struct torap_grant_row *a, const struct torap_grant_row *b)
{
	for (int part = TORAP__PART_KIND__PART_OPEN; part <= TORAP__PART_KIND__PART_IMAGE; part++)
		if (a->parts[part] && b->parts[part])
			return true;
	return false;
}

/* The kinds of a rule with a lane are those of the lane, so that the kinds see to it, but for what is critical. */
static bool share_lane(const struct torap_retention_rule *a, const struct torap_retention_rule *b)
{
	uint32_t lane = a->lane ? a->lane : b->lane;
	bool critical = a->match.severity_min >= TORAP__SEVERITY__SEVERITY_CRITICAL ||
			b->match.severity_min >= TORAP__SEVERITY__SEVERITY_CRITICAL;
	if (a->lane && b->lane && a->lane != b->lane)
		return false;
	return lane == 0 || lane == TORAP__LANE__LANE_CRITICAL || !critical;
}

bool torap_retention_cuts(const struct torap_retention_rule *law, const struct torap_retention_rule *keeper)
{
	const struct torap_grant_row *a = &law->match, *b = &keeper->match;
	return keeper->term.keep_us != TORAP_FOR_EVER && law->term.at_most_us < keeper->term.keep_us &&
	       (a->regions_count == 0 || torap_grant_touches(b, 1, a->regions, a->regions_count)) &&
	       share_number(a->facilities, a->facilities_count, b->facilities, b->facilities_count) &&
	       share_number(a->kinds, a->kinds_count, b->kinds, b->kinds_count) && share_part(a, b) &&
	       share_lane(law, keeper);
}

struct torap_retention_term torap_retention_term_of(
	const struct torap_retention_rules *rules, const struct torap_class *class, unsigned part)
{
	struct torap_retention_term term = { TORAP_FOR_EVER, TORAP_FOR_EVER };
	bool has_keep = false;
	for (size_t i = 0; i < rules->count; i++) {
		const struct torap_retention_rule *rule = &rules->list[i];
		if (part > TORAP__PART_KIND__PART_IMAGE || !rule->match.parts[part] ||
			(rule->lane != 0 && rule->lane != torap_class_lane(class)) ||
			!torap_grant_row_matches(&rule->match, class))
			continue;
		if (rule->term.keep_us != TORAP_FOR_EVER &&
			(!has_keep || rule->term.keep_us > term.keep_us)) {
			term.keep_us = rule->term.keep_us;
			has_keep = true;
		}
		if (rule->term.at_most_us < term.at_most_us)
			term.at_most_us = rule->term.at_most_us;
	}
	return term;
}
