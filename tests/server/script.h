/* script.h: a conversation as the RFCs print it. A line `C: …` is sent; a line `S: …` is what the server must say next, with `*` for
 * anything, as in client_expect. */
#ifndef TESTS_SERVER_SCRIPT_H
#define TESTS_SERVER_SCRIPT_H

#include "pair.h"

void play(struct client *c, const char *script);

#endif
