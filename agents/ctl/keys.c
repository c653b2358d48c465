/* torap keys: makes and shows key files. */
#include <stdio.h>

#include "agents/ctl/command.h"
#include "base/bytes.h"
#include "base/error.h"
#include "conf/keys.h"

static const char new_help[] = "usage: torap keys new NAME [-d DIR]\n"
			       "\n"
			       "Makes a CURVE key pair (links) and an Ed25519 key pair (signatures): "
			       "DIR/NAME.key, secret, mode 0600,\n"
			       "and DIR/NAME.pub, to be given away.  Overwrites nothing.\n"
			       "\n"
			       "    -d DIR    where to; the current folder if not given\n";

static int keys_new(int argc, char **argv)
{
	const char *dir = ".";
	const struct ctl_option options[] = { { "-d=", &dir }, { NULL, NULL } };
	int words = ctl_options("keys new", options, new_help, 1, argc, argv);
	if (words < 0)
		return 2;
	if (words == 0)
		return ctl_misuse("keys new", "NAME is missing");

	struct torap_keys keys;
	struct torap_error err;
	int r = torap_keys_create(&keys, argv[1], &err);
	if (!r)
		r = torap_keys_save(&keys, dir, &err);
	torap_keys_wipe(&keys);
	return r ? ctl_fail("%s", err.text) : 0;
}

static const char show_help[] = "usage: torap keys show FILE\n"
				"\n"
				"Shows the public halves of a .key or .pub file, never a secret.\n";

static int keys_show(int argc, char **argv)
{
	const struct ctl_option options[] = { { NULL, NULL } };
	int words = ctl_options("keys show", options, show_help, 1, argc, argv);
	if (words < 0)
		return 2;
	if (words == 0)
		return ctl_misuse("keys show", "FILE is missing");

	struct torap_keys keys;
	struct torap_error err, other;
	/* Of the two complaints the first is that of a .pub that is wrong; a .key has lines that no .pub has. */
	if (torap_keys_load_public(&keys, argv[1], &err) && torap_keys_load(&keys, argv[1], &other))
		return ctl_fail("%s", other.text);
	char curve[2 * TORAP_CURVE_KEY_SIZE + 1], sign[2 * TORAP_SIGN_KEY_SIZE + 1],
		id[2 * TORAP_KEY_ID_SIZE + 1];
	printf("name: %s\ncurve_public: %s\nsign_public: %s\nkey_id: %s\n", keys.name,
		torap_hex(curve, torap_bytes(keys.curve_public, sizeof keys.curve_public)),
		torap_hex(sign, torap_bytes(keys.sign.public, sizeof keys.sign.public)),
		torap_hex(id, torap_bytes(keys.sign.id, sizeof keys.sign.id)));
	torap_keys_wipe(&keys);
	return 0;
}

int ctl_keys(int argc, char **argv)
{
	static const struct ctl_command table[] = {
		{ "new", "makes NAME.key and NAME.pub", keys_new },
		{ "show", "shows the public halves of a key file", keys_show },
		{ NULL, NULL, NULL },
	};
	return ctl_dispatch(table, "keys", argc, argv);
}
