#include <stdio.h>

#include "conf/trust.h"
#include "conf/yaml_where.h"

/* "7", its line, or "rule 2". */
static void place_of(char out[static 32], struct torap_bytes text, size_t rule, const char *key)
{
	char where[32];
	snprintf(where, sizeof where, "retention[%zu]", rule);
	if (text.size)
		snprintf(out, 32, "%zu", torap_yaml_line(text, where, key));
	else
		snprintf(out, 32, "rule %zu", rule + 1);
}

void torap_trust_tell_cuts(const struct torap_trust *t, const char *path, struct torap_bytes text,
	void (*tell)(const char *sentence))
{
	const struct torap_retention_rules *rules = &t->retention;
	for (size_t k = 0; k < rules->count; k++) {
		for (size_t l = 0; l < rules->count; l++) {
			char sentence[1024], keeper[32], law[32];
			if (l == k || !torap_retention_cuts(&rules->list[l], &rules->list[k]))
				continue;
			place_of(keeper, text, k, "keep");
			place_of(law, text, l, "at_most");
			snprintf(sentence, sizeof sentence,
				"%s:%s: keep is longer than at_most of %s%s, which goes before it for what both rules match",
				path, keeper, text.size ? "line " : "", law);
			tell(sentence);
		}
	}
}
