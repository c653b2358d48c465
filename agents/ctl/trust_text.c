#include "agents/ctl/trust_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "conf/keys.h"

static char *finish(char *text, int n, struct torap_error *err)
{
	if (n >= 0)
		return text;
	torap_errorf(err, -ENOMEM, "out of memory");
	return NULL;
}

char *ctl_trust_text_new(const char *valid_until, struct torap_error *err)
{
	char *text;
	int n = asprintf(&text,
		"# Who may write, for which regions, with which keys.  `torap trust add` puts writers in, "
		"`torap trust sign` makes\n"
		"# the signed file that brokers load.  Raise the version with each change: `torap trust sign "
		"--version N`.\n"
		"version: 1\n"
		"valid_until: %s\n"
		"writers:\n",
		valid_until);
	return finish(text, n, err);
}

/* The line of a key at the left margin, to its end.  NULL: there is none. */
static const char *find_line(const char *text, const char *key, const char **end)
{
	size_t n = strlen(key);
	for (const char *line = text; *line; line = *end) {
		*end = line + strcspn(line, "\n");
		if (**end)
			++*end;
		if (strncmp(line, key, n) == 0)
			return line;
	}
	return NULL;
}

/* How far the list's entries are indented: as the first one is. */
static int indent_of(const char *after)
{
	while (*after) {
		size_t spaces = strspn(after, " ");
		if (after[spaces] == '-')
			return (int)spaces;
		if (after[spaces] != '#' && after[spaces] != '\n')
			return 2;
		after += strcspn(after, "\n");
		after += *after == '\n';
	}
	return 2;
}

static char *entry(const struct ctl_writer *w, int indent, struct torap_error *err)
{
	struct torap_writer out = { 0 };
	char curve[2 * TORAP_CURVE_KEY_SIZE + 1], sign[2 * TORAP_SIGN_KEY_SIZE + 1], line[512];
	torap_hex(curve, torap_bytes(w->keys->curve_public, sizeof w->keys->curve_public));
	torap_hex(sign, torap_bytes(w->keys->sign.public, sizeof w->keys->sign.public));

	int n = snprintf(line, sizeof line, "%*s- id: %s\n%*s  regions: [", indent, "", w->id, indent, "");
	torap_write_bytes(&out, torap_bytes(line, (size_t)n));
	for (size_t i = 0; i < w->regions_count; i++) {
		n = snprintf(line, sizeof line, "%s\"%.9s\"", i ? ", " : "", w->regions[i]);
		torap_write_bytes(&out, torap_bytes(line, (size_t)n));
	}
	n = snprintf(line, sizeof line,
		"]\n%*s  curve_key: \"%s\"\n%*s  keys: [{ key: \"%s\", from: %s, until: %s }]\n", indent, "",
		curve, indent, "", sign, w->from, w->until);
	torap_write_bytes(&out, torap_bytes(line, (size_t)n));
	torap_write_u8(&out, '\0');
	if (!out.failed)
		return (char *)out.data;
	torap_writer_finish(&out);
	torap_errorf(err, -ENOMEM, "out of memory");
	return NULL;
}

char *ctl_trust_text_add(const char *text, const struct ctl_writer *writer, struct torap_error *err)
{
	const char *end;
	const char *line = find_line(text, "writers:", &end);
	if (!line) {
		torap_errorf(err, -EINVAL, "there is no line \"writers:\"");
		return NULL;
	}
	const char *rest = line + strlen("writers:");
	rest += strspn(rest, " ");
	if (*rest != '\n' && *rest != '#' && *rest != '\0' && strncmp(rest, "[]", 2) != 0) {
		torap_errorf(err, -EINVAL, "\"writers:\" must be followed by a line for each writer");
		return NULL;
	}
	char *added = entry(writer, indent_of(end), err);
	if (!added)
		return NULL;
	char *out;
	int n = asprintf(&out, "%.*swriters:\n%s%s", (int)(line - text), text, added, end);
	free(added);
	return finish(out, n, err);
}

char *ctl_trust_text_version(const char *text, uint64_t version, struct torap_error *err)
{
	const char *end;
	const char *line = find_line(text, "version:", &end);
	if (!line) {
		torap_errorf(err, -EINVAL, "there is no line \"version:\"");
		return NULL;
	}
	char *out;
	int n = asprintf(&out, "%.*sversion: %" PRIu64 "\n%s", (int)(line - text), text, version, end);
	return finish(out, n, err);
}
