/*
 * Messages: [verb][header: MessagePack map][payload...], the framing of every pairmill protocol.
 *
 * Sending:    wire_begin(&out, "PUT"); wire_put_u64(&out, "id", 7); wire_send(socket, peer, &out,
 * payload, n); Receiving:  wire_recv(socket, &in); wire_is(&in, "PUT"); wire_get_u64(&in.header,
 * "id", &v); wire_in_release(&in);
 *
 * The putters may be called in any number; an error (too big, no memory) is remembered and reported
 * once, by wire_send().  A struct wire_out is reused by the next wire_begin() and keeps its memory.
 * Views got from a received message are borrowed from it, valid until wire_in_release().
 * Nothing received can do more than be refused: sizes, types and counts are checked here.
 * docs/protocol.md specifies the verbs.
 */
#ifndef COMMON_WIRE_H
#define COMMON_WIRE_H

#include <msgpack.h>
#include <stdbool.h>
#include <zmq.h>

#include "common/buf.h"
#include "common/id.h"

enum {
    WIRE_VERB_MAX = 15,            /* bytes of a verb */
    WIRE_HEADER_MAX = 64 * 1024,   /* bytes of a header */
    WIRE_FRAME_MAX = 64 << 20,     /* bytes of any frame: ZMQ_MAXMSGSIZE of every socket */
    WIRE_PAYLOAD_FRAMES_MAX = 256, /* payload frames a message */
    WIRE_PEER_MAX = 8,             /* bytes of a ROUTER's name for a connection (libzmq gives 5) */
};

/* A connection as a ROUTER names it; n = 0 on a DEALER. */
struct wire_peer {
    unsigned char b[WIRE_PEER_MAX];
    size_t n;
};

struct wire_out {
    char verb[WIRE_VERB_MAX + 1];
    struct buf header;
    uint16_t fields;
    int rc; /* first error of a putter */
};

void wire_begin(struct wire_out *out, const char *verb);
void wire_out_release(struct wire_out *out);

void wire_put_u64(struct wire_out *out, const char *key, uint64_t v);
void wire_put_i64(struct wire_out *out, const char *key, int64_t v);
void wire_put_f64(struct wire_out *out, const char *key, double v);
void wire_put_bool(struct wire_out *out, const char *key, bool v);
void wire_put_str(struct wire_out *out, const char *key, struct view utf8);
void wire_put_bin(struct wire_out *out, const char *key, struct view bytes);

/* A map on its own, without a message around it: written by the same putters between begin and end.
 */
void wire_map_begin(struct wire_out *out);
int wire_map_end(struct wire_out *out, struct view *bytes) MUST_CHECK;

/* Sends without blocking: 0, or E_BUSY when the peer's queue is full, E_PEER when the peer is gone,
 * E_TOO_BIG when a part exceeds its limit.  0 means "queued in this process", nothing more: what
 * matters must be answered by the peer.  `peer` is NULL on a DEALER.  Payload bytes are copied. */
int wire_send(void *socket, const struct wire_peer *peer, struct wire_out *out,
              const struct view *payload, size_t n) MUST_CHECK;

/* A parsed map; lookups are linear, keys are short. */
struct wire_map {
    const msgpack_object_map *map;
};

/* Reads such a map; it is valid as long as `bytes` and `unpacked` are.  Release `unpacked` whatever
 * is returned. */
int wire_map_parse(struct view bytes, msgpack_unpacked *unpacked, struct wire_map *out) MUST_CHECK;

struct wire_in {
    struct wire_peer peer; /* whom to answer, on a ROUTER */
    char verb[WIRE_VERB_MAX + 1];
    struct wire_map header;
    size_t payload_count;
    struct view payload[WIRE_PAYLOAD_FRAMES_MAX];
    msgpack_unpacked unpacked; /* owns the header's objects */
    zmq_msg_t *frames;         /* own the payload's bytes */
    size_t frame_count;
};

/* Receives one message without blocking: 0, E_TIMEOUT when there is none, E_INTERRUPTED after a
 * signal, E_PEER when there was one that does not follow the framing (in->peer is set, so that it
 * can be answered; the rest is empty).  `in` needs no initialisation; release it whatever was
 * returned. */
int wire_recv(void *socket, struct wire_in *in) MUST_CHECK;
void wire_in_release(struct wire_in *in);

bool wire_is(const struct wire_in *in, const char *verb);

/* Each: 0, or E_PEER with a sentence when the key is missing or of another type (or out of range).
 */
int wire_get_u64(const struct wire_map *m, const char *key, uint64_t *v) MUST_CHECK;
int wire_get_i64(const struct wire_map *m, const char *key, int64_t *v) MUST_CHECK;
int wire_get_f64(const struct wire_map *m, const char *key, double *v) MUST_CHECK;
int wire_get_bool(const struct wire_map *m, const char *key, bool *v) MUST_CHECK;
int wire_get_str(const struct wire_map *m, const char *key, struct view *utf8) MUST_CHECK;
int wire_get_bin(const struct wire_map *m, const char *key, struct view *bytes) MUST_CHECK;
int wire_get_id(const struct wire_map *m, const char *key, struct id *id) MUST_CHECK;
bool wire_has(const struct wire_map *m, const char *key);

/* A payload that is a MessagePack array of maps: at most `limit` of them.  Release with
 * msgpack_unpacked_destroy(). */
struct wire_list {
    msgpack_unpacked unpacked;
    size_t n;
};
int wire_list_parse(struct view payload, size_t limit, struct wire_list *list) MUST_CHECK;
struct wire_map wire_list_at(const struct wire_list *list, size_t i);
void wire_list_release(struct wire_list *list);

/* Writing such a payload: begin a list, begin each map with its number of fields, then pack values
 * by the
 * *_item functions.  Errors are remembered in `rc` as above. */
struct wire_list_out {
    struct buf bytes;
    uint32_t n;
    struct wire_out item; /* the map being written */
    int rc;
};
void wire_list_begin(struct wire_list_out *list, size_t limit_bytes);
struct wire_out *wire_list_item(struct wire_list_out *list); /* fill it with wire_put_*() */
void wire_list_item_end(struct wire_list_out *list);
/* The finished payload, valid until the next wire_list_begin(); E_TOO_BIG and the like by return.
 */
int wire_list_end(struct wire_list_out *list, struct view *payload) MUST_CHECK;
void wire_list_out_release(struct wire_list_out *list);

#endif
