/* panel_options.h: what the user of `torap panel` asked for. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "agents/ctl/panel_event.h"
#include "agents/ctl/panel_frame.h"

struct ctl_panel_options {
	struct sockaddr_storage *to; /* filled by the caller's memory */
	const char *connect;
	bool udp, cid, restore, undated, json;
	const struct ctl_panel_event *event;
	unsigned area, number, tries;
	int64_t timeout_us, duration_us; /* duration: of the load */
	double rate;                     /* messages a second of all panels; 0: as many as are acknowledged */
	uint64_t seed;
	struct ctl_panel_key key;
	const char *log;
	bool load;       /* --panels or --accounts */
	char **accounts; /* owned */
	size_t accounts_count;
};

/* 0; 1 or 2 after a complaint: the exit status. */
int ctl_panel_options_read(struct ctl_panel_options *o, int argc, char **argv);
void ctl_panel_options_finish(struct ctl_panel_options *o);
