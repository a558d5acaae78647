-- The entries of the KV layer. Keys compare by their bytes ("C"), which is the order of a list.
CREATE TABLE kv_entries (
    key text COLLATE "C" PRIMARY KEY,
    version text COLLATE "C" NOT NULL,
    metadata bytea NOT NULL,
    value bytea NOT NULL
);

CREATE SEQUENCE kv_numbers;
