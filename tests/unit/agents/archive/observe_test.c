#include "agents/archive/observe.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/utf8.h"

static const char *field(const struct archive_observation *out, const char *name)
{
	for (size_t i = 0; i < out->o.n_fields; i++)
		if (strcmp(out->o.fields[i]->name, name) == 0)
			return out->o.fields[i]->value;
	return "";
}

static const char *told(struct archive_observation *out, const char *reason)
{
	const struct archive_report report = { .verdict = ARCHIVE_UNKNOWN };
	const struct archive_facts facts = { .recorder = "nvr-1", .reason = reason };
	archive_observe(out, "cam-1", NULL, &report, &facts, 18000, (struct torap_wall){ 0 });
	return field(out, "reason");
}

/* A recorder that speaks Russian, cut at every place; a file name in another code page.  The node takes no observation with such a byte. */
Test(observe, a_reason_is_whole_characters)
{
	static struct archive_observation out;
	char reason[256] = "fault Sender: ";
	while (strlen(reason) + 3 < sizeof reason)
		strcat(reason, "\xd1\x8b");
	for (size_t cut = strlen(reason); cut > 190; cut--) {
		reason[cut] = '\0';
		const uint8_t *at = (const uint8_t *)told(&out, reason), *end = at + strlen((const char *)at);
		cr_expect_geq(end - at, 189);
		while (at < end) {
			size_t length = torap_utf8_length(at, end);
			cr_assert_neq(length, 0, "cut at %zu", cut);
			at += length;
		}
	}
	cr_expect_str_eq(told(&out, "disk/\xea\xe0\xec: Permission denied"), "disk/???: Permission denied");
}

/* Minutes of which nobody knows are no missing ones. */
Test(observe, minutes_are_told_when_they_are_known)
{
	static struct archive_observation out;
	struct archive_report report = { .verdict = ARCHIVE_STORING_NOTHING, .missing_min = 1440 };
	const struct archive_facts facts = { .recorder = "nvr-1", .reason = "" };
	archive_observe(&out, "cam-1", NULL, &report, &facts, 18000, (struct torap_wall){ 0 });
	cr_expect_str_eq(field(&out, "missing_min"), "1440");
	report.verdict = ARCHIVE_UNKNOWN;
	archive_observe(&out, "cam-1", NULL, &report, &facts, 18000, (struct torap_wall){ 0 });
	cr_expect_str_eq(field(&out, "missing_min"), "");
}
