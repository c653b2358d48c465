/* pictures.h: which events ask the site's cameras what they see, and how often at most.  `pictures` of the configuration. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct torap_error;

enum { NODE_PICTURES_KINDS = 2048 }; /* kinds beyond are of no name here */

struct node_pictures {
	uint8_t severity; /* from this one on, whatever the kind; 0: none does by its severity */
	uint8_t kinds[NODE_PICTURES_KINDS / 8];
	int64_t interval_us; /* a site is asked at most so often */
};

struct node_pictures_file { /* as the file has it; each may be NULL */
	char *severity, *interval;
	char **kinds; /* patterns (wire/kind_set.h) */
	uint32_t kinds_count;
};

/* `file` NULL: the defaults, which are alarms and whatever is critical, each 30 s.  0, or -EINVAL with file, key and reason. */
int node_pictures_judge(struct node_pictures *out, const struct node_pictures_file *file, const char *path,
	struct torap_error *err);
/* Of an event that begins, or that happened and has no end. */
bool node_pictures_want(const struct node_pictures *p, uint32_t kind, uint32_t severity, uint32_t state);
