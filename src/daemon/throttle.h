/* throttle.h: how long an address that has guessed wrong has to wait before its next guess is looked at. Pure but for its
 * lock; times are handed in. Thread safe.
 *
 * Failures are counted for each address (IPv6: its /64), whatever the user: the first two cost nothing, then the wait is 1, 2, 4, 8 and
 * at last 15 seconds. Tries that an address makes side by side wait one behind the other, up to half a minute. A failure is forgotten
 * after a minute; a success changes nothing, or who has one account could guess at others for ever. Nobody is locked out.
 */
#ifndef PH_DAEMON_THROTTLE_H
#define PH_DAEMON_THROTTLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ph_throttle;

#define PH_THROTTLE_FREE 2           /* failures that cost nothing */
#define PH_THROTTLE_LONGEST_MS 15000
#define PH_THROTTLE_QUEUE_MS 30000
#define PH_THROTTLE_FORGET_MS 60000
#define PH_THROTTLE_WORST 12         /* failures that are counted */

/* Remembers at most `addresses` (0: 65,536); the one that was quiet for longest makes room. NULL without memory. */
struct ph_throttle *ph_throttle_new(size_t addresses);
void ph_throttle_free(struct ph_throttle *t);
/* Milliseconds to wait before a try of this peer ("192.0.2.1:4000", "[2001:db8::1]:4000"; anything else never waits). */
unsigned ph_throttle_delay(struct ph_throttle *t, const char *peer, int64_t now_ms);
void ph_throttle_failed(struct ph_throttle *t, const char *peer, int64_t now_ms);
struct ph_throttle_counters {
    uint64_t failures, delayed; /* tries that had to wait */
    size_t addresses;
};
void ph_throttle_count(struct ph_throttle *t, struct ph_throttle_counters *out);

/* The address of a peer as an octet string: 4 or 8 of them; 0: none. */
size_t ph_peer_address(const char *peer, unsigned char out[16]);

#endif
