/* trust_text.h: changes to trust.yaml as text, so that comments and order stay as people wrote them. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct torap_error;
struct torap_keys;

struct ctl_writer {
	const char *id;
	const char **regions; /* 9 digits each */
	size_t regions_count;
	const struct torap_keys *keys; /* public halves */
	const char *from, *until;      /* RFC 3339 */
};

/* All return allocated text, or NULL with the reason. */
char *ctl_trust_text_new(const char *valid_until, struct torap_error *err);
/* Puts the writer first in the list "writers". */
char *ctl_trust_text_add(const char *text, const struct ctl_writer *writer, struct torap_error *err);
/* Changes the line "version". */
char *ctl_trust_text_version(const char *text, uint64_t version, struct torap_error *err);
