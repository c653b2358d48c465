/* metric.h: lines of Prometheus' text format: "# HELP", "# TYPE", then values.  Names and types are our own words, so a wrong one is a
 * bug; values may be anybody's. */
#pragma once

#include <stddef.h>

#include "base/bytes.h"

void torap_metric_head(struct torap_writer *body, const char *name, const char *type, const char *help);
/* `labels` is "lane=\"critical\"" (several with commas between) or NULL. */
void torap_metric(struct torap_writer *body, const char *name, const char *labels, double value);
/* Writes name="value", escaped, cut to fit; returns text. */
char *torap_metric_label(char *text, size_t size, const char *name, const char *value);

/* A metric without labels: its head and its only line. */
void torap_metric_one(
	struct torap_writer *body, const char *name, const char *type, const char *help, double value);
/* A line with one label, whose value is cut when label and value have more than 150 bytes. */
void torap_metric_labelled(
	struct torap_writer *body, const char *name, const char *label, const char *text, double value);
