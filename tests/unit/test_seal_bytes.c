/* A manifest comes back from the queue as the worker sent it, every field of it. */
#include <criterion/criterion.h>

#include "broker/seal_bytes.h"

Test(seal_bytes, a_manifest_comes_back_whole)
{
    const struct shard_manifest sent = {
        .number = 7,
        .pairs = 1,
        .media = 2,
        .jobs = 3,
        .fingerprint = UINT64_MAX - 4,
        .bytes = 5,
        .file_digest = id_of_medium(view_str("file")),
        .content_digest = id_of_medium(view_str("content")),
        .created = -6,
    };
    unsigned char bytes[SEAL_BYTES];
    struct shard_manifest got;
    seal_bytes_put(bytes, &sent);
    cr_assert_eq(seal_bytes_get(view_of(bytes, sizeof bytes), 7, &got), 0);
    cr_assert(got.number == 7 && got.pairs == 1 && got.media == 2 && got.jobs == 3);
    cr_assert(got.fingerprint == sent.fingerprint && got.bytes == 5 && got.created == -6);
    cr_assert(id_equal(&got.file_digest, &sent.file_digest));
    cr_assert(id_equal(&got.content_digest, &sent.content_digest));
    cr_assert_eq(seal_bytes_get(view_of(bytes, sizeof bytes - 1), 7, &got), E_STORAGE);
}
