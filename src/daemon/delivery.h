/* delivery.h: putting one message into a folder of a store. */
#ifndef PH_DAEMON_DELIVERY_H
#define PH_DAEMON_DELIVERY_H

#include "base/deadline.h"
#include "daemon/spool.h"
#include "store/store.h"

struct ph_delivery {
    struct ph_store *store;
    const char *folder;      /* UTF-8 */
    bool create;             /* make the folder where it is not there */
    struct ph_str header;    /* lines to put before the message, with their line ends; may be NIL */
    struct ph_spool *message;
    struct ph_cancel *cancel; /* may be NULL */
};

/* 0: the store has it, durably. Kinds as the store's; NOTFOUND is the folder. */
int ph_deliver(const struct ph_delivery *d, struct ph_err *err);

/* "Return-Path: <from>" and, unless address is NULL, "Delivered-To: address". */
int ph_delivery_trace(const char *from, const char *address, struct ph_buf *out);
/* "Received: from client by host with LMTP id …; date", for what came over the socket (RFC 5321 4.4). */
int ph_delivery_received(const char *client, const char *host, uint64_t id, int64_t epoch, struct ph_buf *out);

#endif
