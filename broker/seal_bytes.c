#include "broker/seal_bytes.h"

enum { AT_FILE_DIGEST = 48, AT_CONTENT_DIGEST = AT_FILE_DIGEST + ID_BYTES };

void seal_bytes_put(unsigned char out[SEAL_BYTES], const struct shard_manifest *m)
{
    put_le64(out, m->pairs);
    put_le64(out + 8, m->media);
    put_le64(out + 16, m->jobs);
    put_le64(out + 24, m->fingerprint);
    put_le64(out + 32, m->bytes);
    put_le64(out + 40, (uint64_t)m->created);
    memcpy(out + AT_FILE_DIGEST, m->file_digest.b, ID_BYTES);
    memcpy(out + AT_CONTENT_DIGEST, m->content_digest.b, ID_BYTES);
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
        .jobs = get_le64(p + 16),
        .fingerprint = get_le64(p + 24),
        .bytes = get_le64(p + 32),
        .created = (int64_t)get_le64(p + 40),
    };
    memcpy(out->file_digest.b, p + AT_FILE_DIGEST, ID_BYTES);
    memcpy(out->content_digest.b, p + AT_CONTENT_DIGEST, ID_BYTES);
    return 0;
}
