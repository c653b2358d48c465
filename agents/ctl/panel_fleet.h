/* panel_fleet.h: the panels of one run: one that tells one event, or many that tell a mix at a rate. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "agents/ctl/panel_options.h"
#include "agents/ctl/panel_phone.h"

struct ctl_panel_result {
	uint64_t sent, acknowledged, repeated, unanswered, refused; /* refused: DUH, or NAK to the end */
	uint64_t nulls;                                             /* of the acknowledged: signs of life */
	uint32_t *took_us;                                          /* owned: of each acknowledged */
	size_t took_room;
	int64_t lasted_us;
	const char *trouble; /* the last one that a panel had; NULL */
};

struct ctl_panel_fleet {
	const struct ctl_panel_options *options;
	struct ctl_panel_line line;
	struct ctl_panel_phone *phones; /* owned */
	size_t *idle;                   /* owned: a ring of phones that may tell something */
	size_t idle_first, idle_count;
	size_t waiting;
	uv_loop_t loop;
	uv_timer_t timer;
	/* SIGTERM, SIGINT: nothing new is told, what waits is waited for; a second one ends at once. */
	uv_signal_t signals[2];
	bool interrupted;
	FILE *log; /* NULL: none */
	bool log_failed;
	uint64_t random;
	struct torap_mono began, ticked;
	bool ended; /* nothing new is told */
	struct ctl_panel_result result;
};

/* Runs to the end.  0, or an exit status after a complaint.  The caller finishes *f after reading the result. */
int ctl_panel_fleet_run(struct ctl_panel_fleet *f, const struct ctl_panel_options *options);
void ctl_panel_fleet_finish(struct ctl_panel_fleet *f);
