/* camera_url.h: may this URL stand in the registry?  It is where a camera's stream is, and no more: user and password are the
 * agent's, in a file of their own. */
#pragma once

/* NULL when it may; else what is wrong, without a word of the URL. */
const char *node_camera_url_fault(const char *url);
