#include "broker/seal_bytes.h"

void seal_bytes_put(unsigned char out[SEAL_BYTES], const struct shard_manifest *m)
{
    memset(out, 0, SEAL_BYTES);
    put_le64(out, m->pairs);
    put_le64(out + 8, m->media);
    put_le64(out + 16, m->bytes);
    put_le64(out + 24, (uint64_t)m->created);
    memcpy(out + 32, m->file_digest.b, ID_BYTES);
    memcpy(out + 64, m->content_digest.b, ID_BYTES);
}

int seal_bytes_get(struct view bytes, uint32_t number, struct shard_manifest *out)
{
    const unsigned char *p = bytes.p;
    if (bytes.n != SEAL_BYTES) {
        return err_set(E_STORAGE, "the queue file holds a damaged manifest of shard %u", number);
    }
    *out = (struct shard_manifest){
        .number = number,
        .pairs = get_le64(p),
        .media = get_le64(p + 8),
        .bytes = get_le64(p + 16),
        .created = (int64_t)get_le64(p + 24),
    };
    memcpy(out->file_digest.b, p + 32, ID_BYTES);
    memcpy(out->content_digest.b, p + 64, ID_BYTES);
    return 0;
}
