/* script.c: see script.h. */
#include "script.h"

#include <string.h>

void play(struct client *c, const char *script)
{
    char line[8192];

    while (*script) {
        size_t n = strcspn(script, "\n");
        assert_true(n > 3 && n < sizeof line);
        memcpy(line, script, n);
        line[n] = '\0';
        script += n + (script[n] == '\n');
        if (strncmp(line, "C: ", 3) == 0) {
            client_send(c, line + 3);
            client_send(c, "\r\n");
        } else if (strncmp(line, "S: ", 3) == 0) {
            client_expect(c, line + 3);
        } else {
            fail_msg("neither C: nor S: %s", line);
        }
    }
}
