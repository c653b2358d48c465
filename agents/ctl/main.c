/* torap: one command for keys, trust, checks, following, verifying, status and drills. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "agents/ctl/command.h"
#include "base/error.h"
#include "loop/app.h"

int main(int argc, char **argv)
{
	static const struct ctl_command table[] = {
		{ "keys", "makes and shows key files", ctl_keys },
		{ "trust", "the trust file: who may write", ctl_trust },
		{ "registry", "checks a node's sites and devices", ctl_registry },
		{ "policy", "checks a broker's policy file", ctl_policy },
		{ "follow", "receives a feed, verifies it, prints its events", ctl_follow },
		{ "verify", "checks again what was received", ctl_verify },
		{ "proofs", "shows forks and rollbacks that a broker or subscriber has proof of",
			ctl_proofs },
		{ "report", "tables out of what was received: what recorders keep", ctl_report },
		{ "panel", "plays alarm panels, for demonstrations and drills", ctl_panel },
		{ "status", "shows the links of running processes", ctl_status },
		{ NULL, NULL, NULL },
	};
	struct torap_error err;
	if (torap_app_hold_descriptors(&err))
		return ctl_fail("%s", err.text);
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		printf("torap %s\n", TORAP_VERSION);
		return ctl_close_output(0);
	}
	if (sodium_init() < 0)
		return ctl_fail("libsodium does not start: no randomness");
	return ctl_close_output(ctl_dispatch(table, "", argc, argv));
}
