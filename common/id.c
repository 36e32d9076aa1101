#include "common/id.h"

#include <sodium.h>

#include "common/err.h"

/* Each part is preceded by its length, so that ("ab", "c") and ("a", "bc") differ. */
static struct id hash_parts(const char *kind, const struct view *parts, size_t n)
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, ID_BYTES);
    crypto_generichash_update(&state, (const unsigned char *)kind, strlen(kind) + 1);
    for (size_t i = 0; i < n; i++) {
        unsigned char len[8];
        put_le64(len, parts[i].n);
        crypto_generichash_update(&state, len, sizeof len);
        crypto_generichash_update(&state, parts[i].p, parts[i].n);
    }
    struct id id;
    crypto_generichash_final(&state, id.b, ID_BYTES);
    return id;
}

struct id id_of_medium(struct view bytes)
{
    struct id id; /* the plain hash, so that b2sum -l 256 names the same medium */
    crypto_generichash(id.b, ID_BYTES, bytes.p, bytes.n, NULL, 0);
    return id;
}

struct id id_of_locator(struct view locator)
{
    return hash_parts("locator", &locator, 1);
}

struct id id_of_pair(const struct id *medium, struct view text)
{
    const struct view parts[] = {view_of(medium->b, ID_BYTES), text};
    return hash_parts("pair", parts, 2);
}

struct id id_of_item(struct view source, struct view key, const struct id *pair)
{
    const struct view parts[] = {source, key, view_of(pair->b, ID_BYTES)};
    return hash_parts("item", parts, 3);
}

uint64_t id_number(const struct id *id)
{
    return get_be64(id->b); /* big-endian, so that numbers sort as ids do */
}

uint64_t id_coco_group(uint64_t coco_image_id)
{
    unsigned char number[8];
    put_le64(number, coco_image_id);
    const struct view part = view_of(number, sizeof number);
    const struct id id = hash_parts("coco image", &part, 1);
    return id_number(&id);
}

int id_equal(const struct id *a, const struct id *b)
{
    return memcmp(a->b, b->b, ID_BYTES) == 0;
}

void id_to_hex(const struct id *id, char out[ID_HEX])
{
    sodium_bin2hex(out, ID_HEX, id->b, ID_BYTES);
}

int id_from_hex(const char *hex, struct id *out)
{
    size_t n = 0;
    const char *end = NULL;
    if (sodium_hex2bin(out->b, ID_BYTES, hex, strlen(hex), NULL, &n, &end) || n != ID_BYTES ||
        *end) {
        return err_set(E_FORMAT, "\"%.80s\" is not an id (64 hexadecimal digits)", hex);
    }
    return 0;
}
