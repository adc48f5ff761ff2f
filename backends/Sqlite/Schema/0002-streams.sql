-- Version 2: streams. Times are wall time: 100 ns ticks since 1970.

-- One partition of a stream. earliest, next: the offsets that can be read are from the one to below the other. bytes: of the rows that it has. newest: the highest
-- timestamp that it ever had. producers: how many it remembers. A deleted one loses its name at once, and its rows after that.
CREATE TABLE {t}partition (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    number INTEGER NOT NULL,
    partitions INTEGER NOT NULL,
    max_age INTEGER,
    max_bytes INTEGER,
    max_records INTEGER,
    earliest INTEGER NOT NULL,
    next INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    newest INTEGER NOT NULL,
    producers INTEGER NOT NULL,
    UNIQUE (name, number)
);

-- Records of one append, one after the other. newest: their highest timestamp. reached: the highest timestamp of the partition up to their end, which never falls.
-- checksum: CRC32C of records. What is searched stands before the blob, so that looking at it reads no page of the blob.
CREATE TABLE {t}records (
    partition INTEGER NOT NULL,
    first INTEGER NOT NULL,
    count INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    newest INTEGER NOT NULL,
    reached INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    records BLOB NOT NULL,
    UNIQUE (partition, first)
);

-- The idempotent producers of a partition. used: where its latest append begins. latest: its last appends, oldest first, three 64-bit numbers each: first
-- sequence, count, first offset.
CREATE TABLE {t}producer (
    partition INTEGER NOT NULL,
    name TEXT NOT NULL,
    used INTEGER NOT NULL,
    latest BLOB NOT NULL,
    PRIMARY KEY (partition, name)
) WITHOUT ROWID;

CREATE INDEX {t}producer_used ON {t}producer (partition, used);
