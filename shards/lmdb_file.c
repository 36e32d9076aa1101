#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

#include "shards/shard_internal.h"

int shard_lmdb_error(int status, const char *path, const char *what)
{
    int rc = E_STORAGE;
    switch (status) {
    case MDB_NOTFOUND: rc = E_NOT_FOUND; break;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID: rc = E_CHECKSUM; break;
    case MDB_VERSION_MISMATCH: rc = E_VERSION; break;
    case ENOENT: rc = E_NO_FILE; break;
    case ENOMEM: rc = E_NOMEM; break;
    default: break;
    }
    return err_set(rc, "%s: %s: %s%s", path, what, mdb_strerror(status),
                   status == EIO ? " (the disk is full or broken)" : "");
}

int shard_env_open(const char *path, unsigned flags, MDB_env **out)
{
    MDB_env *env = NULL;
    int status = mdb_env_create(&env);
    if (status == 0) {
        status = mdb_env_set_maxdbs(env, 8);
    }
    if (status == 0 && !(flags & MDB_RDONLY)) {
        status = mdb_env_set_mapsize(env, SHARD_MAP_BYTES);
    }
    if (status == 0) {
        status = mdb_env_open(env, path, flags | MDB_NOSUBDIR | MDB_NOLOCK, 0644);
    }
    if (status) {
        mdb_env_close(env);
        return shard_lmdb_error(status, path, "cannot be opened");
    }
    *out = env;
    return 0;
}

int shard_db_open(MDB_env *env, const char *path, const char *name, bool create, MDB_dbi *out)
{
    MDB_txn *txn = NULL;
    int status = mdb_txn_begin(env, NULL, create ? 0 : MDB_RDONLY, &txn);
    if (status == 0) {
        status = mdb_dbi_open(txn, name, create ? MDB_CREATE : 0, out);
        if (status) {
            mdb_txn_abort(txn);
        } else {
            status = mdb_txn_commit(txn);
        }
    }
    return status ? shard_lmdb_error(status, path, name) : 0;
}

static void hash_entry(crypto_generichash_state *state, const MDB_val *key, const MDB_val *value)
{
    unsigned char len[8];
    put_le32(len, (uint32_t)key->mv_size);
    crypto_generichash_update(state, len, 4);
    crypto_generichash_update(state, key->mv_data, key->mv_size);
    put_le64(len, value->mv_size);
    crypto_generichash_update(state, len, 8);
    crypto_generichash_update(state, value->mv_data, value->mv_size);
}

static int hash_db(MDB_txn *txn, const char *name, crypto_generichash_state *state)
{
    MDB_dbi dbi;
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val value;
    int status = mdb_dbi_open(txn, name, 0, &dbi);
    status = status ? status : mdb_cursor_open(txn, dbi, &cursor);
    crypto_generichash_update(state, (const unsigned char *)name, strlen(name) + 1);
    while (status == 0) {
        status = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
        if (status == 0) {
            hash_entry(state, &key, &value);
        }
    }
    mdb_cursor_close(cursor);
    return status == MDB_NOTFOUND && cursor ? 0 : status;
}

int shard_content_digest(MDB_env *env, const char *path, struct id *out)
{
    static const char *const dbs[] = {DB_VISUAL, DB_PAIR, DB_TABLE};
    MDB_txn *txn = NULL;
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, ID_BYTES);
    int status = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
    for (size_t i = 0; status == 0 && i < sizeof dbs / sizeof *dbs; i++) {
        status = hash_db(txn, dbs[i], &state);
    }
    mdb_txn_abort(txn);
    crypto_generichash_final(&state, out->b, ID_BYTES);
    return status ? shard_lmdb_error(status, path, "cannot be read") : 0;
}
