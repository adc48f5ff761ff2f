-- Version 1. {t} is the table prefix with its underscore. Times called "wall" are 100 ns ticks since 1970; "monotonic" ones belong to the clock domain of
-- their owner. Migrations are never edited once released: add the next one.

-- The store's counters, in one row. sequence: message numbers, places in line, lease and owner numbers. revision: state and bindings. fence: locks.
CREATE TABLE {t}store (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    salt INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    fence INTEGER NOT NULL
);

-- A queue has an even id; its dead-letter queue the odd one above. The next_* columns are lower bounds of when something happens by itself.
CREATE TABLE {t}queue (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    max_deliveries INTEGER NOT NULL,
    max_length INTEGER NOT NULL,
    max_bytes INTEGER,
    overflow INTEGER NOT NULL,
    dead_letter_expired INTEGER NOT NULL,
    delete_after_idle INTEGER,
    dedup_window INTEGER NOT NULL,
    dedup_max_entries INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    ready INTEGER NOT NULL DEFAULT 0,
    scheduled INTEGER NOT NULL DEFAULT 0,
    leased INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    remembered INTEGER NOT NULL DEFAULT 0,
    enqueued INTEGER NOT NULL DEFAULT 0,
    completed INTEGER NOT NULL DEFAULT 0,
    duplicates INTEGER NOT NULL DEFAULT 0,
    expired INTEGER NOT NULL DEFAULT 0,
    dropped INTEGER NOT NULL DEFAULT 0,
    dead_lettered INTEGER NOT NULL DEFAULT 0,
    evicted INTEGER NOT NULL DEFAULT 0,
    next_due INTEGER NOT NULL DEFAULT 9223372036854775807,
    next_expiry INTEGER NOT NULL DEFAULT 9223372036854775807,
    next_lease INTEGER NOT NULL DEFAULT 9223372036854775807
);

-- A message is written once and deleted once; where it stands is said by the small tables below. rank: (9 - priority) << 56 | sequence.
-- tries: counted attempts << 1 | delivered before. flags: which of the optional columns (due to dead_at) are filled. position: its place in its key's line.
CREATE TABLE {t}message (
    number INTEGER PRIMARY KEY,
    queue INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    enqueued_at INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    due INTEGER,
    expires INTEGER,
    position INTEGER,
    key TEXT,
    id,
    content_type TEXT,
    headers BLOB,
    error TEXT,
    reason TEXT,
    dead_tries INTEGER,
    dead_at INTEGER,
    body BLOB NOT NULL
);

-- Ready messages. lane 0: can be leased; 1: waits for its key.
CREATE TABLE {t}ready (
    queue INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (queue, lane, rank)
) WITHOUT ROWID;

-- Messages that are not due yet, by wall time.
CREATE TABLE {t}scheduled (
    queue INTEGER NOT NULL,
    due INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (queue, due, number)
) WITHOUT ROWID;

-- Ready and scheduled messages that expire, by wall time.
CREATE TABLE {t}expiring (
    queue INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (queue, expires, number)
) WITHOUT ROWID;

-- The line of each key: its ready, leased and back-off messages in order.
CREATE TABLE {t}line (
    queue INTEGER NOT NULL,
    key TEXT NOT NULL,
    position INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (queue, key, position)
) WITHOUT ROWID;

-- One row a lease call, with all messages that it leased. open: one bit an entry, cleared when it is settled.
CREATE TABLE {t}lease (
    queue INTEGER NOT NULL,
    id INTEGER NOT NULL,
    owner INTEGER NOT NULL,
    deadline INTEGER NOT NULL,
    entries BLOB NOT NULL,
    open BLOB NOT NULL,
    PRIMARY KEY (queue, id)
) WITHOUT ROWID;

-- The opened stores. Each holds a lock on a file named after its instance for as long as it lives.
CREATE TABLE {t}owner (
    id INTEGER PRIMARY KEY,
    instance TEXT NOT NULL,
    domain TEXT NOT NULL,
    process INTEGER NOT NULL,
    opened_at INTEGER NOT NULL
);

-- Ids that senders gave, as 128-bit hashes. settled_at is null while the message lives.
CREATE TABLE {t}ident (
    queue INTEGER NOT NULL,
    hash BLOB NOT NULL,
    number INTEGER NOT NULL,
    settled_at INTEGER,
    PRIMARY KEY (queue, hash, number)
) WITHOUT ROWID;

-- Ids of settled messages, in the order in which they were settled.
CREATE TABLE {t}remembered (
    queue INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    hash BLOB NOT NULL,
    number INTEGER NOT NULL,
    settled_at INTEGER NOT NULL,
    PRIMARY KEY (queue, sequence)
) WITHOUT ROWID;

CREATE TABLE {t}binding (
    queue INTEGER NOT NULL,
    pattern TEXT NOT NULL,
    PRIMARY KEY (queue, pattern)
) WITHOUT ROWID;

CREATE TABLE {t}lock (
    name TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    fence INTEGER NOT NULL,
    deadline INTEGER NOT NULL,
    holder INTEGER NOT NULL
) WITHOUT ROWID;

-- Values may be large, so they are kept out of the tree that is searched.
CREATE TABLE {t}state (
    key TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    value BLOB NOT NULL
);
