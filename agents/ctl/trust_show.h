/* trust_show.h: a trust file for people to read: who may write, and how long frames are kept. */
#pragma once

struct torap_trust;

void ctl_trust_show(const struct torap_trust *t);
