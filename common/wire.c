#include "common/wire.h"

#include <errno.h>
#include <stdlib.h>

/* ------------------------------------------------------------------ writing a map */

static int append_cb(void *data, const char *p, size_t n)
{
    struct wire_out *out = data;
    if (out->rc == 0) {
        out->rc = buf_append(&out->header, p, n);
    }
    return out->rc;
}

/* A map whose count is patched in afterwards: the 3-byte form map16, count at offset 1. */
static void begin_map(struct wire_out *out, size_t limit)
{
    if (out->header.limit != limit) {
        buf_release(&out->header);
        buf_init(&out->header, limit);
    }
    buf_reset(&out->header);
    out->fields = 0;
    out->rc = buf_append(&out->header, "\xde\0\0", 3);
}

static void end_map(struct wire_out *out)
{
    if (out->rc == 0) {
        out->header.p[1] = (unsigned char)(out->fields >> 8);
        out->header.p[2] = (unsigned char)out->fields;
    }
}

void wire_begin(struct wire_out *out, const char *verb)
{
    BUG_ON(strlen(verb) > WIRE_VERB_MAX);
    memcpy(out->verb, verb, strlen(verb) + 1);
    begin_map(out, WIRE_HEADER_MAX);
}

void wire_out_release(struct wire_out *out)
{
    buf_release(&out->header);
}

static msgpack_packer put_key(struct wire_out *out, const char *key)
{
    msgpack_packer pk;
    msgpack_packer_init(&pk, out, append_cb);
    const size_t n = strlen(key);
    msgpack_pack_str(&pk, n);
    msgpack_pack_str_body(&pk, key, n);
    out->fields++;
    return pk;
}

void wire_put_u64(struct wire_out *out, const char *key, uint64_t v)
{
    msgpack_packer pk = put_key(out, key);
    msgpack_pack_uint64(&pk, v);
}

void wire_put_i64(struct wire_out *out, const char *key, int64_t v)
{
    msgpack_packer pk = put_key(out, key);
    msgpack_pack_int64(&pk, v);
}

void wire_put_f64(struct wire_out *out, const char *key, double v)
{
    msgpack_packer pk = put_key(out, key);
    msgpack_pack_double(&pk, v);
}

void wire_put_bool(struct wire_out *out, const char *key, bool v)
{
    msgpack_packer pk = put_key(out, key);
    if (v) {
        msgpack_pack_true(&pk);
    } else {
        msgpack_pack_false(&pk);
    }
}

void wire_put_str(struct wire_out *out, const char *key, struct view utf8)
{
    msgpack_packer pk = put_key(out, key);
    msgpack_pack_str(&pk, utf8.n);
    msgpack_pack_str_body(&pk, utf8.p, utf8.n);
}

void wire_put_bin(struct wire_out *out, const char *key, struct view bytes)
{
    msgpack_packer pk = put_key(out, key);
    msgpack_pack_bin(&pk, bytes.n);
    msgpack_pack_bin_body(&pk, bytes.p, bytes.n);
}

enum { MAP_MAX = 256 * 1024 }; /* of a map on its own */

void wire_map_begin(struct wire_out *out)
{
    begin_map(out, MAP_MAX);
}

int wire_map_end(struct wire_out *out, struct view *bytes)
{
    end_map(out);
    *bytes = buf_view(&out->header);
    return out->rc;
}

/* ------------------------------------------------------------------ sending */

static int send_frame(void *socket, struct view frame, int flags)
{
    while (zmq_send(socket, frame.p, frame.n, flags | ZMQ_DONTWAIT) < 0) {
        switch (zmq_errno()) {
        case EINTR: continue;
        case EAGAIN: return err_set(E_BUSY, "the peer's queue is full");
        case EHOSTUNREACH: return err_set(E_PEER, "the peer is gone");
        default:
            return err_set(E_SYSTEM, "a message could not be sent: %s", zmq_strerror(zmq_errno()));
        }
    }
    return 0;
}

static int check_sizes(const struct wire_out *out, const struct view *payload, size_t n)
{
    if (out->rc) {
        return out->rc;
    }
    if (n > WIRE_PAYLOAD_FRAMES_MAX) {
        return err_set(E_TOO_BIG, "a %s message of %zu payload frames; at most %d are allowed",
                       out->verb, n, WIRE_PAYLOAD_FRAMES_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        if (payload[i].n > WIRE_FRAME_MAX) {
            return err_set(E_TOO_BIG, "a %s payload of %zu bytes; a frame holds at most %d",
                           out->verb, payload[i].n, WIRE_FRAME_MAX);
        }
    }
    return 0;
}

int wire_send(void *socket, const struct wire_peer *peer, struct wire_out *out,
              const struct view *payload, size_t n)
{
    int rc = check_sizes(out, payload, n);
    if (rc) {
        return rc;
    }
    end_map(out);
    /* Only the first frame of a message can fail (libzmq router.cpp xsend, lb.cpp): the rest follow
     * it. */
    if (peer) {
        rc = send_frame(socket, view_of(peer->b, peer->n), ZMQ_SNDMORE);
    }
    if (rc == 0) {
        rc = send_frame(socket, view_str(out->verb), ZMQ_SNDMORE);
    }
    if (rc == 0) {
        rc = send_frame(socket, buf_view(&out->header), n ? ZMQ_SNDMORE : 0);
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = send_frame(socket, payload[i], i + 1 < n ? ZMQ_SNDMORE : 0);
    }
    return rc;
}

/* ------------------------------------------------------------------ receiving */

enum { FRAMES_MAX = WIRE_PAYLOAD_FRAMES_MAX + 3 };

/* Takes the frames of one message; those beyond the limit are read and dropped. */
static int recv_frames(void *socket, struct wire_in *in)
{
    bool more = true;
    bool overflow = false;
    while (more) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        /* Frames after the first are there already: libzmq delivers messages whole. */
        while (zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) < 0) {
            const int e = zmq_errno();
            if (e == EINTR && in->frame_count) {
                continue;
            }
            zmq_msg_close(&frame);
            if (e == EAGAIN) {
                return err_set(E_TIMEOUT, "no message");
            }
            return e == EINTR
                       ? err_set(E_INTERRUPTED, "interrupted")
                       : err_set(E_SYSTEM, "a message could not be received: %s", zmq_strerror(e));
        }
        more = zmq_msg_more(&frame);
        if (in->frame_count == FRAMES_MAX) {
            overflow = true;
            zmq_msg_close(&frame);
        } else {
            in->frames[in->frame_count++] = frame;
        }
    }
    return overflow ? err_set(E_PEER, "a message has more than %d frames", FRAMES_MAX) : 0;
}

static struct view frame_view(struct wire_in *in, size_t i)
{
    return view_of(zmq_msg_data(&in->frames[i]), zmq_msg_size(&in->frames[i]));
}

/* What one MessagePack value's first byte announces: bytes of its own behind it, or values. */
struct announced {
    size_t head; /* the first byte, and the length field where there is one */
    uint64_t bytes;
    uint64_t values;
};

static uint64_t get_be(const unsigned char *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        v = v << 8 | p[i];
    }
    return v;
}

/* Types 0xc0 to 0xdf of the specification: size of the length field, or of the value itself. */
static const struct {
    uint8_t length;
    uint8_t fixed;
    uint8_t values; /* how many a counted entry is: 1 in arrays, 2 in maps; 0: the length counts
                       bytes */
} formats[32] = {
    [0x04] = {1, 0, 0},  [0x05] = {2, 0, 0}, [0x06] = {4, 0, 0}, [0x07] = {1, 1, 0},
    [0x08] = {2, 1, 0},  [0x09] = {4, 1, 0}, [0x0a] = {0, 4, 0}, [0x0b] = {0, 8, 0},
    [0x0c] = {0, 1, 0},  [0x0d] = {0, 2, 0}, [0x0e] = {0, 4, 0}, [0x0f] = {0, 8, 0},
    [0x10] = {0, 1, 0},  [0x11] = {0, 2, 0}, [0x12] = {0, 4, 0}, [0x13] = {0, 8, 0},
    [0x14] = {0, 2, 0},  [0x15] = {0, 3, 0}, [0x16] = {0, 5, 0}, [0x17] = {0, 9, 0},
    [0x18] = {0, 17, 0}, [0x19] = {1, 0, 0}, [0x1a] = {2, 0, 0}, [0x1b] = {4, 0, 0},
    [0x1c] = {2, 0, 1},  [0x1d] = {4, 0, 1}, [0x1e] = {2, 0, 2}, [0x1f] = {4, 0, 2},
};

static struct announced announce(const unsigned char *p, size_t n)
{
    const unsigned char type = p[0];
    if (type < 0x80 || type >= 0xe0) {
        return (struct announced){1, 0, 0};
    }
    if (type < 0xa0) {
        return (struct announced){1, 0, (uint64_t)(type & 15) * (type < 0x90 ? 2 : 1)};
    }
    if (type < 0xc0) {
        return (struct announced){1, type & 31, 0};
    }
    const size_t length = formats[type & 31].length;
    if (n < 1 + length) {
        return (struct announced){1 + length, UINT32_MAX, 0};
    }
    const uint64_t count = get_be(p + 1, length);
    const uint64_t values = formats[type & 31].values;
    return (struct announced){1 + length, formats[type & 31].fixed + (values ? 0 : count),
                              values * count};
}

/* Keys and values of one message: a thousand jobs have some ten thousand.  libmsgpack takes 24
 * bytes for each. */
enum { VALUES_MAX = 1 << 20 };

/* libmsgpack allocates what an array or map announces before it looks whether so much is there; a
 * few bytes could ask for hundreds of gigabytes.  Every value has at least one byte, so what is
 * announced must fit into what is left, and into VALUES_MAX. */
static bool announces_no_more_than_it_has(struct view bytes)
{
    const unsigned char *p = bytes.p;
    size_t left = bytes.n;
    uint64_t values = 1;
    for (uint64_t wanted = 1; wanted; wanted--) {
        if (wanted > left || values > VALUES_MAX) {
            return false;
        }
        const struct announced a = announce(p, left);
        if (a.head + a.bytes > left || a.values > left) {
            return false;
        }
        p += a.head + a.bytes;
        left -= a.head + a.bytes;
        wanted += a.values;
        values += a.values;
    }
    return true;
}

static int parse_map(struct view bytes, msgpack_unpacked *unpacked)
{
    size_t off = 0;
    if (!announces_no_more_than_it_has(bytes) ||
        msgpack_unpack_next(unpacked, bytes.p, bytes.n, &off) != MSGPACK_UNPACK_SUCCESS ||
        off != bytes.n || unpacked->data.type != MSGPACK_OBJECT_MAP) {
        return err_set(E_PEER, "a message's header is not one MessagePack map");
    }
    return 0;
}

int wire_map_parse(struct view bytes, msgpack_unpacked *unpacked, struct wire_map *out)
{
    msgpack_unpacked_init(unpacked);
    const int rc = parse_map(bytes, unpacked);
    out->map = rc ? NULL : &unpacked->data.via.map;
    return rc;
}

static int parse_frames(struct wire_in *in, size_t first)
{
    if (in->frame_count < first + 2) {
        return err_set(E_PEER, "a message of %zu frames; verb and header are needed",
                       in->frame_count - first);
    }
    const struct view verb = frame_view(in, first);
    const struct view header = frame_view(in, first + 1);
    if (verb.n == 0 || verb.n > WIRE_VERB_MAX || memchr(verb.p, '\0', verb.n)) {
        return err_set(E_PEER, "a message's verb has %zu bytes; 1 to %d are allowed", verb.n,
                       WIRE_VERB_MAX);
    }
    if (header.n > WIRE_HEADER_MAX) {
        return err_set(E_PEER, "a message's header has %zu bytes; at most %d are allowed", header.n,
                       WIRE_HEADER_MAX);
    }
    const int rc = parse_map(header, &in->unpacked);
    if (rc) {
        return rc;
    }
    memcpy(in->verb, verb.p, verb.n);
    in->header.map = &in->unpacked.data.via.map;
    in->payload_count = in->frame_count - first - 2;
    for (size_t i = 0; i < in->payload_count; i++) {
        in->payload[i] = frame_view(in, first + 2 + i);
    }
    return 0;
}

static bool is_router(void *socket)
{
    int type = 0;
    size_t n = sizeof type;
    return zmq_getsockopt(socket, ZMQ_TYPE, &type, &n) == 0 && type == ZMQ_ROUTER;
}

int wire_recv(void *socket, struct wire_in *in)
{
    memset(in, 0, sizeof *in);
    msgpack_unpacked_init(&in->unpacked);
    in->frames = malloc(FRAMES_MAX * sizeof *in->frames);
    if (!in->frames) {
        return err_set(E_NOMEM, "no memory for a message's frames");
    }
    const bool router = is_router(socket);
    const int rc = recv_frames(socket, in);
    if (router && in->frame_count) {
        const struct view peer = frame_view(in, 0);
        if (peer.n <= WIRE_PEER_MAX) {
            memcpy(in->peer.b, peer.p, peer.n);
            in->peer.n = peer.n;
        }
    }
    return rc ? rc : parse_frames(in, router ? 1 : 0);
}

void wire_in_release(struct wire_in *in)
{
    for (size_t i = 0; i < in->frame_count; i++) {
        zmq_msg_close(&in->frames[i]);
    }
    free(in->frames);
    msgpack_unpacked_destroy(&in->unpacked);
    memset(in, 0, sizeof *in);
}

bool wire_is(const struct wire_in *in, const char *verb)
{
    return strcmp(in->verb, verb) == 0;
}

/* ------------------------------------------------------------------ reading a map */

static const msgpack_object *find(const struct wire_map *m, const char *key)
{
    const size_t n = strlen(key);
    for (uint32_t i = 0; m->map && i < m->map->size; i++) {
        const msgpack_object *k = &m->map->ptr[i].key;
        if (k->type == MSGPACK_OBJECT_STR && k->via.str.size == n &&
            memcmp(k->via.str.ptr, key, n) == 0) {
            return &m->map->ptr[i].val;
        }
    }
    return NULL;
}

static int wrong(const char *key, const char *wanted)
{
    return err_set(E_PEER, "a message lacks \"%s\", or it is not %s", key, wanted);
}

bool wire_has(const struct wire_map *m, const char *key)
{
    return find(m, key) != NULL;
}

int wire_get_u64(const struct wire_map *m, const char *key, uint64_t *v)
{
    const msgpack_object *o = find(m, key);
    if (!o || o->type != MSGPACK_OBJECT_POSITIVE_INTEGER) {
        return wrong(key, "a whole number from 0");
    }
    *v = o->via.u64;
    return 0;
}

int wire_get_i64(const struct wire_map *m, const char *key, int64_t *v)
{
    const msgpack_object *o = find(m, key);
    if (!o || (o->type != MSGPACK_OBJECT_NEGATIVE_INTEGER &&
               (o->type != MSGPACK_OBJECT_POSITIVE_INTEGER || o->via.u64 > INT64_MAX))) {
        return wrong(key, "a whole number");
    }
    *v = o->via.i64;
    return 0;
}

int wire_get_f64(const struct wire_map *m, const char *key, double *v)
{
    const msgpack_object *o = find(m, key);
    if (!o || (o->type != MSGPACK_OBJECT_FLOAT64 && o->type != MSGPACK_OBJECT_FLOAT32)) {
        return wrong(key, "a floating-point number");
    }
    *v = o->via.f64;
    return 0;
}

int wire_get_bool(const struct wire_map *m, const char *key, bool *v)
{
    const msgpack_object *o = find(m, key);
    if (!o || o->type != MSGPACK_OBJECT_BOOLEAN) {
        return wrong(key, "true or false");
    }
    *v = o->via.boolean;
    return 0;
}

int wire_get_str(const struct wire_map *m, const char *key, struct view *utf8)
{
    const msgpack_object *o = find(m, key);
    if (!o || o->type != MSGPACK_OBJECT_STR) {
        return wrong(key, "a string");
    }
    *utf8 = view_of(o->via.str.ptr, o->via.str.size);
    return 0;
}

int wire_get_bin(const struct wire_map *m, const char *key, struct view *bytes)
{
    const msgpack_object *o = find(m, key);
    if (!o || o->type != MSGPACK_OBJECT_BIN) {
        return wrong(key, "bytes");
    }
    *bytes = view_of(o->via.bin.ptr, o->via.bin.size);
    return 0;
}

int wire_get_id(const struct wire_map *m, const char *key, struct id *id)
{
    struct view v;
    const int rc = wire_get_bin(m, key, &v);
    if (rc) {
        return rc;
    }
    if (v.n != ID_BYTES) {
        return err_set(E_PEER, "\"%s\" has %zu bytes; an id has %d", key, v.n, ID_BYTES);
    }
    memcpy(id->b, v.p, ID_BYTES);
    return 0;
}

/* ------------------------------------------------------------------ lists of maps */

int wire_list_parse(struct view payload, size_t limit, struct wire_list *list)
{
    msgpack_unpacked_init(&list->unpacked);
    list->n = 0;
    size_t off = 0;
    if (!announces_no_more_than_it_has(payload) ||
        msgpack_unpack_next(&list->unpacked, payload.p, payload.n, &off) !=
            MSGPACK_UNPACK_SUCCESS ||
        off != payload.n || list->unpacked.data.type != MSGPACK_OBJECT_ARRAY) {
        return err_set(E_PEER, "a payload is not one MessagePack array");
    }
    const msgpack_object_array *a = &list->unpacked.data.via.array;
    if (a->size > limit) {
        return err_set(E_PEER, "a payload lists %u entries; at most %zu are allowed", a->size,
                       limit);
    }
    for (uint32_t i = 0; i < a->size; i++) {
        if (a->ptr[i].type != MSGPACK_OBJECT_MAP) {
            return err_set(E_PEER, "entry %u of a payload's list is not a map", i);
        }
    }
    list->n = a->size;
    return 0;
}

struct wire_map wire_list_at(const struct wire_list *list, size_t i)
{
    return (struct wire_map){&list->unpacked.data.via.array.ptr[i].via.map};
}

void wire_list_release(struct wire_list *list)
{
    msgpack_unpacked_destroy(&list->unpacked);
}

/* The 5-byte form array32, count at offset 1, patched in at the end. */
void wire_list_begin(struct wire_list_out *list, size_t limit_bytes)
{
    if (list->bytes.limit != limit_bytes) {
        buf_release(&list->bytes);
        buf_init(&list->bytes, limit_bytes);
    }
    buf_reset(&list->bytes);
    list->n = 0;
    list->rc = buf_append(&list->bytes, "\xdd\0\0\0\0", 5);
}

struct wire_out *wire_list_item(struct wire_list_out *list)
{
    begin_map(&list->item, list->bytes.limit);
    return &list->item;
}

void wire_list_item_end(struct wire_list_out *list)
{
    end_map(&list->item);
    if (list->rc == 0) {
        list->rc = list->item.rc;
    }
    if (list->rc == 0) {
        list->rc = buf_append(&list->bytes, list->item.header.p, list->item.header.n);
    }
    list->n++;
}

int wire_list_end(struct wire_list_out *list, struct view *payload)
{
    if (list->rc) {
        return list->rc;
    }
    for (int i = 0; i < 4; i++) {
        list->bytes.p[1 + i] = (unsigned char)(list->n >> (24 - 8 * i));
    }
    *payload = buf_view(&list->bytes);
    return 0;
}

void wire_list_out_release(struct wire_list_out *list)
{
    buf_release(&list->bytes);
    wire_out_release(&list->item);
}
