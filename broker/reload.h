/* reload.h: SIGHUP: what is in force becomes what the files say now, all of it or nothing.
 *
 * Everything is loaded, judged and opened first (trust file, policy, keys, endpoints, upstreams): one that is bad refuses the reload, and
 * nobody has noticed anything.  What then comes into force is judged on every open session at once. */
#pragma once

struct broker;

void broker_reload(struct broker *b);
